#pragma once

#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "agent/custodian/settings.h"

namespace coprotect::agent::custodian {

// Tells a tenant's people what happens to their keys, by the operator's command. If the command cannot be
// started, or does not end with status 0, they are told again: after ten seconds, then less and less often,
// down to each quarter of an hour. An announcement waits until they were told of it; of other events the 16
// newest of each key are kept, until the process ends. Does nothing if the operator has no such command.
class Contacts {
 public:
  // What waits for the contacts: a key, and whose announcement.
  using Place = std::pair<protocol::KeyId, Digest>;
  // What they are to be told of an announcement now, and nothing once it need not be told any more.
  using Compose = std::function<std::optional<Notification>()>;

  // `settings` outlives it.
  explicit Contacts(const Settings& settings) : settings_(settings) {}

  bool exist() const { return settings_.handover.notify != nullptr; }
  void tell(Notification event);
  // In place of what they were to be told of this announcer's before.
  void tell_of(const Place& place, Compose compose);
  // Starts what is due. The announcements of which they were told, until they are forgotten.
  std::vector<Place> settle();
  void forget(const Place& place);
  // All of a key's announcements.
  void forget(const protocol::KeyId& key_id);
  // Whether something about this key could not be told yet: the command failed.
  bool fail(const protocol::KeyId& key_id) const;

 private:
  struct Try {
    Compose compose;
    std::optional<std::future<bool>> running;
    int failures = 0;
    std::int64_t next_ms = 0;  // of the clock that nobody sets
    bool told = false;
    bool over = false;  // nothing to be told any more
  };
  void go_on(Try& attempt) const;

  const Settings& settings_;
  mutable std::mutex mutex_;
  std::map<Place, Try> announcements_;
  std::deque<std::pair<protocol::KeyId, Try>> events_;
};

}  // namespace coprotect::agent::custodian
