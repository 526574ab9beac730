#include "agent/front/deadlines.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace coprotect::agent::front {
namespace {

// libmicrohttpd does not say when the first byte of a next request arrives; the kernel does.
std::uint64_t bytes_received(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

// Wakes libmicrohttpd, which closes the socket; what a slow reader has not taken by then is dropped, not kept
// in the kernel until he has.
void cut(int socket) {
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  shutdown(socket, SHUT_RDWR);
}

}  // namespace

void Deadlines::opened(int socket) {
  const std::lock_guard lock(mutex_);
  entries_[socket] = {.deadline = Clock::now() + request_, .idle = false, .received = 0};
}

void Deadlines::request_started(int socket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  if (entry == entries_.end() || !entry->second.idle) return;
  entry->second.idle = false;
  entry->second.deadline = Clock::now() + request_;
}

void Deadlines::request_ended(int socket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  if (entry == entries_.end()) return;
  entry->second = {.deadline = Clock::now() + idle_, .idle = true, .received = bytes_received(socket)};
}

void Deadlines::closed(int socket) {
  const std::lock_guard lock(mutex_);
  entries_.erase(socket);
}

Clock::time_point Deadlines::of(int socket) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  return entry == entries_.end() ? Clock::time_point{} : entry->second.deadline;
}

void Deadlines::sweep(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  for (auto& [socket, entry] : entries_) {
    if (entry.idle && bytes_received(socket) != entry.received) {
      entry.idle = false;
      entry.deadline = now + request_;
    }
    if (now >= entry.deadline) cut(socket);
  }
}

}  // namespace coprotect::agent::front
