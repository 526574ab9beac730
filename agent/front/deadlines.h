#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace coprotect::agent::front {

using Clock = std::chrono::steady_clock;

// The absolute deadlines of connections. libmicrohttpd only knows inactivity, so that one byte a second would
// keep a connection for ever. Here a request has `request` from its first byte (the first request: from
// accept, TLS handshake included) until its answer is sent, and the time between two requests is at most
// `idle`; what is overdue is shut down, and libmicrohttpd then closes it. Safe from several threads.
class Deadlines {
 public:
  Deadlines(std::chrono::milliseconds request, std::chrono::milliseconds idle)
      : request_(request), idle_(idle) {}

  void opened(int socket);
  // A request line has come whole.
  void request_started(int socket);
  void request_ended(int socket);
  // Before the socket is closed.
  void closed(int socket);

  // When the connection's present request has to be done.
  Clock::time_point of(int socket) const;
  // Shuts overdue connections down; called several times a second.
  void sweep(Clock::time_point now);

 private:
  struct Entry {
    Clock::time_point deadline;
    bool idle;
    std::uint64_t received;  // bytes that TCP had received when it became idle: one more begins a request
  };

  const std::chrono::milliseconds request_;
  const std::chrono::milliseconds idle_;
  mutable std::mutex mutex_;
  std::unordered_map<int, Entry> entries_;
};

}  // namespace coprotect::agent::front
