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

// Shuts the socket down, which makes libmicrohttpd close it. Data that a slow reader has not accepted by then
// is dropped, not kept in the kernel.
void cut(int socket);

// The number of bytes that TCP has received on a connection; 0 if the kernel does not report it.
std::uint64_t bytes_received(int socket);

// The absolute deadlines of connections. libmicrohttpd only limits inactivity, so one byte a second would
// keep a connection open for ever. Here a TLS handshake may take `handshake` from accept. A request may take
// `request`, from its first byte (the first request: from accept, including the TLS handshake) until its
// answer is sent. The time between two requests is at most `idle`. An overdue connection is shut down, and
// libmicrohttpd then closes it. While the custodian has a request, Exchange ends it in time. However late
// that happens on a busy machine, a short time remains for sending the answer. Safe from several threads.
class Deadlines {
 public:
  struct Times {
    std::chrono::milliseconds handshake;
    std::chrono::milliseconds request;
    std::chrono::milliseconds idle;
  };
  explicit Deadlines(const Times& times) : times_(times) {}

  // Applies to what begins later.
  void use(const Times& times);

  void opened(int socket);
  // The TLS handshake is finished.
  void verified(int socket);
  // A request line is complete.
  void request_started(int socket);
  // The custodian has received the whole request; it has answered.
  void forwarded(int socket);
  void answered(int socket);
  void request_ended(int socket);
  // Call before the socket is closed.
  void closed(int socket);

  // The deadline of the connection's current request.
  Clock::time_point of(int socket) const;
  // Shuts overdue connections down. Returns those whose handshake was not finished, each once. Call several
  // times a second.
  std::vector<int> sweep(Clock::time_point now);
  // Adds the number of connections cut for each of these times.
  void add_to(ipc::Usage& usage) const;
  // The time of the oldest shutdown whose connection is not closed yet; none if there is none.
  std::optional<Clock::time_point> overdue_since() const;

 private:
  enum class Stage { handshake, request, forwarded, idle, overdue };
  struct Entry {
    Clock::time_point deadline;
    Clock::time_point request_deadline;  // of the first request, while in the handshake
    Stage stage;
    std::uint64_t received;   // bytes received by TCP when it became idle: one more begins a request
    Clock::time_point cut{};  // when it was first shut down
  };

  mutable std::mutex mutex_;
  Times times_;
  std::unordered_map<int, Entry> entries_;
  ipc::Usage hits_;
};

}  // namespace coprotect::agent::front
