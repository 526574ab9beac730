#include "agent/front/deadlines.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

namespace coprotect::agent::front {
namespace {

// The minimum time that a client has to read an answer.
constexpr std::chrono::seconds kToAnswer(1);

}  // namespace

// libmicrohttpd does not report when the first byte of the next request arrives; the kernel does.
std::uint64_t bytes_received(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

void cut(int socket) {
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  shutdown(socket, SHUT_RDWR);
}

void Deadlines::use(const Times& times) {
  const std::lock_guard lock(mutex_);
  times_ = times;
}

void Deadlines::opened(int socket) {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  entries_[socket] = {.deadline = now + std::min(times_.handshake, times_.request),
                      .request_deadline = now + times_.request,
                      .stage = Stage::handshake,
                      .received = 0};
}

void Deadlines::verified(int socket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  if (entry == entries_.end() || entry->second.stage != Stage::handshake) return;
  entry->second.stage = Stage::request;
  entry->second.deadline = entry->second.request_deadline;
}

void Deadlines::request_started(int socket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  if (entry == entries_.end() || entry->second.stage != Stage::idle) return;
  entry->second.stage = Stage::request;
  entry->second.deadline = Clock::now() + times_.request;
}

void Deadlines::forwarded(int socket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  if (entry != entries_.end() && entry->second.stage == Stage::request)
    entry->second.stage = Stage::forwarded;
}

void Deadlines::answered(int socket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  if (entry == entries_.end() || entry->second.stage != Stage::forwarded) return;
  entry->second.stage = Stage::request;
  entry->second.deadline = std::max(entry->second.deadline, Clock::now() + kToAnswer);
}

void Deadlines::request_ended(int socket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(socket);
  if (entry == entries_.end()) return;
  entry->second = {.deadline = Clock::now() + times_.idle,
                   .request_deadline = {},
                   .stage = Stage::idle,
                   .received = bytes_received(socket)};
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

std::vector<int> Deadlines::sweep(Clock::time_point now) {
  std::vector<int> unfinished;
  const std::lock_guard lock(mutex_);
  for (auto& [socket, entry] : entries_) {
    if (entry.stage == Stage::idle && bytes_received(socket) != entry.received) {
      entry.stage = Stage::request;
      entry.deadline = now + times_.request;
    }
    if (now < entry.deadline || entry.stage == Stage::forwarded) continue;
    if (entry.stage == Stage::handshake) unfinished.push_back(socket);
    if (entry.stage != Stage::overdue) {
      entry.cut = now;
      ++hits_[entry.stage == Stage::handshake ? ipc::FrontLimit::handshake_seconds
              : entry.stage == Stage::idle    ? ipc::FrontLimit::idle_seconds
                                              : ipc::FrontLimit::request_seconds]
            .hits;
    }
    entry.stage = Stage::overdue;
    cut(socket);
  }
  return unfinished;
}

void Deadlines::add_to(ipc::Usage& usage) const {
  const std::lock_guard lock(mutex_);
  usage.add(hits_);
}

std::optional<Clock::time_point> Deadlines::overdue_since() const {
  std::optional<Clock::time_point> oldest;
  const std::lock_guard lock(mutex_);
  for (const auto& [socket, entry] : entries_)
    if (entry.stage == Stage::overdue) oldest = std::min(entry.cut, oldest.value_or(entry.cut));
  return oldest;
}

}  // namespace coprotect::agent::front
