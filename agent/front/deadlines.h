#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

using Clock = std::chrono::steady_clock;

// Wakes libmicrohttpd, which closes the socket; what a slow reader has not taken by then is dropped, not kept
// in the kernel until he has.
void cut(int socket);

// How many bytes TCP has received on a connection; 0 if the kernel does not say.
std::uint64_t bytes_received(int socket);

// The absolute deadlines of connections. libmicrohttpd only knows inactivity, so that one byte a second would
// keep a connection for ever. Here a TLS handshake has `handshake` from accept. A request has `request` from
// its first byte (the first request: from accept, TLS handshake included) until its answer is sent, and the
// time between two requests is at most `idle`. An overdue connection is shut down, and libmicrohttpd then
// closes it. While the custodian has a request, it is for the exchange to end it in time, and however late
// that was on a busy machine, there is a moment left in which the answer is sent. Safe from several threads.
class Deadlines {
 public:
  struct Times {
    std::chrono::milliseconds handshake;
    std::chrono::milliseconds request;
    std::chrono::milliseconds idle;
  };
  explicit Deadlines(const Times& times) : times_(times) {}

  // For what begins from now on.
  void use(const Times& times);

  void opened(int socket);
  // The TLS handshake is finished.
  void verified(int socket);
  // A request line has come whole.
  void request_started(int socket);
  // The custodian has the whole request; and then, it has answered.
  void forwarded(int socket);
  void answered(int socket);
  void request_ended(int socket);
  // Before the socket is closed.
  void closed(int socket);

  // When the connection's present request has to be done.
  Clock::time_point of(int socket) const;
  // Shuts overdue connections down, and returns those among them that had not finished their handshake, each
  // once; called several times a second.
  std::vector<int> sweep(Clock::time_point now);
  // How many connections were cut for each of their times.
  void add_to(ipc::Usage& usage) const;
  // Since when a connection that was shut down has not been closed; the oldest one's time.
  std::optional<Clock::time_point> overdue_since() const;

 private:
  enum class Stage { handshake, request, forwarded, idle, overdue };
  struct Entry {
    Clock::time_point deadline;
    Clock::time_point request_deadline;  // of the first request, while in the handshake
    Stage stage;
    std::uint64_t received;   // bytes that TCP had received when it became idle: one more begins a request
    Clock::time_point cut{};  // when it was shut down first
  };

  mutable std::mutex mutex_;
  Times times_;
  std::unordered_map<int, Entry> entries_;
  ipc::Usage hits_;
};

}  // namespace coprotect::agent::front
