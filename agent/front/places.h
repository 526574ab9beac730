#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/front/client_authorities.h"
#include "agent/front/deadlines.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// Limits who may hold how many of the agent's connections. There are three separate kinds of places: for
// strangers, whose TLS handshake is not finished; for clients; and for other agents.
//
// If no place is free, a newcomer is still accepted and an existing connection gives way. It is one of the
// holder with the most of that kind (a stranger is identified by its address, a client or agent by its key).
// Among strangers it is the one that has waited longest. An honest client finishes after two round trips,
// whereas a silent connection only grows older; if the newcomer were refused instead, early silent
// connections could block all others for the length of a handshake timeout. Among the others it is the one
// that has been idle longest, because a connection between two requests is cheap to replace. Budgets limits
// how many connections of a client can be busy.
//
// Safe from several threads. Sockets are shut down here, never closed: call closed() before closing one.
class Places {
 public:
  // Shuts a socket down; counts the bytes that it has received. Parameters for tests.
  using Cut = void (*)(int socket);
  using Received = std::uint64_t (*)(int socket);
  explicit Places(const ipc::Limits& limits, Cut cut_socket = cut, Received received = bytes_received);

  void use(const ipc::Limits& limits);

  // Adds an accepted connection. Returns the source of the stranger that gave way, if one did.
  std::optional<std::string> opened(int socket, std::string source, Clock::time_point now);
  // Call when its handshake is finished. Without a free place returns `limited` (the client has too many
  // connections) or `unavailable` (the agent has). The connection then stays a stranger, and its first
  // request gets that answer.
  Status verified(int socket, const Peer& peer, Clock::time_point now);
  // Call busy() when a request gets a budget and idle() when its answer is sent: only idle connections give
  // way. A connection that was not busy keeps its idle time.
  void busy(int socket);
  void idle(int socket, Clock::time_point now);
  // Call before the socket is closed.
  void closed(int socket);

  std::string source(int socket) const;
  // How much of each limit is in use.
  void add_to(ipc::Usage& usage) const;
  // Connections that were shut down here but are not closed yet.
  std::size_t closing() const;

 private:
  enum class Kind { stranger, client, agent, closing };
  struct Place {
    Kind kind;
    std::string holder;  // a stranger's source, or the key of a client or an agent
    std::string source;
    Clock::time_point since;  // when it was opened or became idle
    bool busy = false;
    bool spoke = false;  // whether a stranger is known to have sent anything
  };
  using Entry = std::unordered_map<int, Place>::iterator;
  using Counts = std::map<std::string, unsigned>;

  Counts& counts(Kind kind) { return counts_[static_cast<std::size_t>(kind)]; }
  unsigned total(Kind kind) const { return totals_[static_cast<std::size_t>(kind)]; }
  void set(Place& place, Kind kind, std::string holder);
  void leave(const Place& place);
  // The oldest idle connection of that kind: of `holder` or, if null, of the holder with the most. With
  // `silent_since`, only one that has sent nothing and was opened before then.
  Entry victim(Kind kind, const std::string* holder, const Clock::time_point* silent_since);
  // Returns the source of the connection that gave way, if one did.
  std::optional<std::string> give_way(Kind kind, const std::string* holder, Clock::time_point now);

  const Cut cut_;
  const Received received_;
  mutable std::mutex mutex_;
  ipc::Limits limits_;
  std::unordered_map<int, Place> places_;
  std::array<Counts, 4> counts_;
  std::array<unsigned, 4> totals_{};
  ipc::Usage hits_;
};

}  // namespace coprotect::agent::front
