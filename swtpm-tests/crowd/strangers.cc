#include "swtpm-tests/crowd/strangers.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "protocol/base/fd.h"
#include "protocol/base/owned.h"

namespace coprotect::harness::crowd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr rlim_t kOwnFiles = 100;  // that are no connections
// How many come in a second, as long as fewer are there than should be, and later in place of those that were
// cut.
constexpr double kComing = 2'000;
constexpr double kReturning = 500;

// A client's first message, as OpenSSL makes it.
Bytes client_hello() {
  const Owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_client_method()));
  invariant(context != nullptr && SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1);
  const Owned<SSL, SSL_free> session(SSL_new(context.get()));
  invariant(session != nullptr);
  BIO* const from_server = BIO_new(BIO_s_mem());
  BIO* const to_server = BIO_new(BIO_s_mem());
  invariant(from_server != nullptr && to_server != nullptr);
  SSL_set_bio(session.get(), from_server, to_server);  // which own them from now on
  SSL_connect(session.get());                          // waits for the server's answer
  Bytes hello(BIO_ctrl_pending(to_server));
  invariant(BIO_read(to_server, hello.data(), static_cast<int>(hello.size())) ==
            static_cast<int>(hello.size()));
  return hello;
}

rlim_t raised_file_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

}  // namespace

Strangers::Strangers(const std::string& url, std::size_t size, std::uint32_t first)
    : hello_(client_hello()),
      size_(std::min<std::size_t>(size, raised_file_limit() - kOwnFiles)),
      first_(first),
      events_(epoll_create1(EPOLL_CLOEXEC)) {
  const std::string address = url.substr(std::string("https://").size());
  const std::size_t colon = address.find(':');
  agent_.sin_family = AF_INET;
  agent_.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  invariant(inet_pton(AF_INET, address.substr(0, colon).c_str(), &agent_.sin_addr) == 1);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

std::string Strangers::account() const {
  return std::to_string(size_) + " wanted a connection, " + std::to_string(come_) + " came, at most " +
         std::to_string(most_) + " at a time, " + std::to_string(cut_) + " were cut";
}

void Strangers::run(const std::stop_token& stop) {
  double may_come = 0;
  for (auto last = Clock::now(); !stop.stop_requested();) {
    const auto now = Clock::now();
    const double rate = come_ < size_ ? kComing : kReturning;
    may_come = std::min(may_come + rate * std::chrono::duration<double>(now - last).count(), rate / 10);
    last = now;
    for (; may_come >= 1 && held_ < size_; --may_come) add();
    look();
  }
}

void Strangers::add() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int late = 1;  // the port is chosen when it connects
  setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(first_ + static_cast<std::uint32_t>(come_ % 50'000));
  if (!socket || bind(socket.get(), reinterpret_cast<sockaddr*>(&from), sizeof from) != 0 ||
      (connect(socket.get(), reinterpret_cast<const sockaddr*>(&agent_), sizeof agent_) != 0 &&
       errno != EINPROGRESS))
    return;
  const auto number = static_cast<std::size_t>(socket.get());
  if (strangers_.size() <= number) strangers_.resize(number + 1);
  const bool speaks = come_ % 2 == 0;
  epoll_event event{.events = EPOLLRDHUP | (speaks ? EPOLLOUT : 0u), .data = {.u64 = number}};
  epoll_ctl(events_.get(), EPOLL_CTL_ADD, socket.get(), &event);
  strangers_[number] = {std::move(socket), speaks};
  ++come_;
  most_ = std::max<std::size_t>(most_, ++held_);
}

void Strangers::look() {
  std::array<epoll_event, 256> happened{};
  const int count = epoll_wait(events_.get(), happened.data(), happened.size(), 10);
  for (int i = 0; i < count; ++i) {
    const auto& event = happened[static_cast<std::size_t>(i)];
    Stranger& stranger = strangers_[event.data.u64];
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      stranger.socket = Fd();  // which leaves the list
      ++cut_;
      --held_;
      continue;
    }
    send(stranger.socket.get(), hello_.data(), hello_.size(), MSG_NOSIGNAL);
    epoll_event silent{.events = EPOLLRDHUP, .data = event.data};
    epoll_ctl(events_.get(), EPOLL_CTL_MOD, stranger.socket.get(), &silent);
  }
}

}  // namespace coprotect::harness::crowd
