#pragma once

#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "agent/custodian/settings.h"

namespace coprotect::agent::custodian {

// Notifies a tenant's contacts of changes to their keys, through the operator's command. If the command
// cannot be started or exits with a status other than 0, retries after ten seconds, then with growing delays
// up to a quarter of an hour. An announcement waits until the contacts are told. Of other events, the 16
// newest of each key are kept until the process ends. Does nothing if the operator configured no command.
class Contacts {
 public:
  // An announcement that waits for the contacts: the key, and the announcer's key hash.
  using Place = std::pair<protocol::KeyId, Digest>;
  // Composes the current text of an announcement; returns nothing once it need not be told any more.
  using Compose = std::function<std::optional<Notification>()>;

  // `settings` outlives it.
  explicit Contacts(const Settings& settings) : settings_(settings) {}

  bool exist() const { return settings_.handover.notify != nullptr; }
  void tell(Notification event);
  // Replaces what the contacts are to be told of this announcer.
  void tell_of(const Place& place, Compose compose);
  // Starts the attempts that are due. Returns the announcements that were told, until they are forgotten.
  std::vector<Place> settle();
  void forget(const Place& place);
  // All of a key's announcements.
  void forget(const protocol::KeyId& key_id);
  // Whether a notification about this key is still undelivered because the command failed.
  bool fail(const protocol::KeyId& key_id) const;

 private:
  struct Try {
    Compose compose;
    std::optional<std::future<bool>> running;
    int failures = 0;
    std::int64_t next_ms = 0;  // of the steady clock
    bool told = false;
    bool over = false;  // nothing left to tell
  };
  void go_on(Try& attempt) const;

  const Settings& settings_;
  mutable std::mutex mutex_;
  std::map<Place, Try> announcements_;
  std::deque<std::pair<protocol::KeyId, Try>> events_;
};

}  // namespace coprotect::agent::custodian
