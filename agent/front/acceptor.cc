#include "agent/front/acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "agent/c_boundary.h"
#include "agent/front/source.h"

namespace coprotect::agent::front {
namespace {

constexpr std::size_t kMostLeaving = 128;
constexpr auto kSeeOff = std::chrono::seconds(2);
constexpr int kPause = 5;                  // ms
constexpr int kWait = 100;                 // ms
constexpr std::size_t kMostClosing = 512;  // connections that were cut but are still in libmicrohttpd
constexpr int kSeries = 64;

}  // namespace

Result<std::unique_ptr<Acceptor>> Acceptor::make(Fd listener, Places& places, Tally& tally, Taken taken) {
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return Error(Code::internal, "cannot make an eventfd");
  return std::unique_ptr<Acceptor>(
      new Acceptor(std::move(listener), std::move(wake), places, tally, std::move(taken)));
}

void Acceptor::start() {
  thread_ = std::thread([this] { run(); });
}

Acceptor::~Acceptor() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void Acceptor::wake() const {
  const std::uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);  // full only if it is about to wake up
}

void Acceptor::stop_accepting() {
  {
    const std::lock_guard lock(mutex_);
    listener_.reset();
  }
  wake();
}

void Acceptor::see_off(int socket) {
  Fd copy(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (!copy) return;
  shutdown(copy.get(), SHUT_WR);
  {
    const std::lock_guard lock(mutex_);
    // The oldest one has had its time.
    if (leaving_.size() >= kMostLeaving) leaving_.erase(leaving_.begin());
    leaving_.push_back({.socket = std::move(copy), .until = Clock::now() + kSeeOff});
  }
  wake();
}

void Acceptor::drop_what_comes(Clock::time_point now) {
  std::array<char, 16'384> dropped;
  std::erase_if(leaving_, [&](const Leaving& each) {
    if (now >= each.until) return true;
    for (int i = 0; i < kSeries; ++i) {
      const ssize_t n = recv(each.socket.get(), dropped.data(), dropped.size(), MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return true;
      if (n < 0) return false;
    }
    return false;
  });
}

bool Acceptor::accept_some() {
  for (int i = 0; i < kSeries; ++i) {
    // Cut connections use memory until libmicrohttpd has closed them: newcomers wait that long.
    if (places_.closing() >= kMostClosing) return false;
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd socket;
    {
      const std::lock_guard lock(mutex_);
      if (!listener_) return true;
      socket = Fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
    }
    // Without descriptors or memory the newcomer stays in the queue, and poll() would report it again
    // immediately.
    if (!socket) return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    const auto gave_way = places_.opened(socket.get(), source_of(address), Clock::now());
    if (gave_way) tally_.count(*gave_way, "handshakes that gave way to newer ones");
    taken_(std::move(socket), address, size);
  }
  return true;
}

void Acceptor::run() {
  std::vector<pollfd> events;
  for (bool can_accept = true;;) {
    last_turn_ = Clock::now();
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      drop_what_comes(Clock::now());
      events.assign(1, {wake_.get(), POLLIN, 0});
      if (listener_ && can_accept) events.push_back({listener_.get(), POLLIN, 0});
      for (const Leaving& each : leaving_) events.push_back({each.socket.get(), POLLIN, 0});
    }
    if (poll(events.data(), events.size(), can_accept ? kWait : kPause) < 0) continue;
    std::uint64_t woken = 0;
    (void)!read(wake_.get(), &woken, sizeof woken);
    can_accept = at_c_boundary(false, [&] { return accept_some(); });
  }
}

}  // namespace coprotect::agent::front
