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

// Who may hold how many of the agent's connections. There are three kinds of places, none of which can take
// those of another: for strangers, whose TLS handshake is not finished; for clients; and for other agents.
//
// A newcomer is not turned away for want of a place: somebody gives way, of whoever holds the most of that
// kind (a stranger is an address, a client or an agent is a key). Among strangers that is the one that has
// waited longest. An honest client is done after two round trips, whereas a silent connection only grows
// older; if the newcomer were refused instead, whoever came first could keep everybody out for as long as a
// handshake may take. Among the others it is the one that has been idle longest, since a connection between
// two requests is cheap to make again. How many a client can have that are not idle, Budgets says.
//
// Safe from several threads. Sockets are shut down here, never closed: closed() has to come first.
class Places {
 public:
  // Shuts a socket down, and how many bytes it has received. Parameters for tests.
  using Cut = void (*)(int socket);
  using Received = std::uint64_t (*)(int socket);
  explicit Places(const ipc::Limits& limits, Cut cut_socket = cut, Received received = bytes_received);

  void use(const ipc::Limits& limits);

  // A connection was accepted. The source of the stranger that had to give way, if one had to.
  std::optional<std::string> opened(int socket, std::string source, Clock::time_point now);
  // Its handshake is finished. `limited` (the client has too many connections) or `unavailable` (the agent
  // has) if there is no place for it: it then stays a stranger, and is told with its first request.
  Status verified(int socket, const Peer& peer, Clock::time_point now);
  // A request was given a budget, or its answer is sent: only idle connections give way. A connection that
  // was not busy is as long idle afterwards as before.
  void busy(int socket);
  void idle(int socket, Clock::time_point now);
  // Before the socket is closed.
  void closed(int socket);

  std::string source(int socket) const;
  // How much of each limit is in use.
  void add_to(ipc::Usage& usage) const;
  // Connections that were shut down here and are not closed yet.
  std::size_t closing() const;

 private:
  enum class Kind { stranger, client, agent, closing };
  struct Place {
    Kind kind;
    std::string holder;  // a stranger's source, or the key of a client or an agent
    std::string source;
    Clock::time_point since;  // when it was opened, or became idle
    bool busy = false;
    bool spoke = false;  // whether a stranger is known to have sent anything
  };
  using Entry = std::unordered_map<int, Place>::iterator;
  using Counts = std::map<std::string, unsigned>;

  Counts& counts(Kind kind) { return counts_[static_cast<std::size_t>(kind)]; }
  unsigned total(Kind kind) const { return totals_[static_cast<std::size_t>(kind)]; }
  void set(Place& place, Kind kind, std::string holder);
  void leave(const Place& place);
  // The oldest idle connection of that kind: of `holder`, or if null of the holder that has the most.
  // With `silent_since`, only one that has sent nothing and was opened before that.
  Entry victim(Kind kind, const std::string* holder, const Clock::time_point* silent_since);
  // Its source, if there was one.
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
