#include "client/keyhelper/server.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "protocol/base/dead_stack.h"

namespace coprotect::keyhelper {
namespace {

using keyclient::Operation;

constexpr std::size_t kMaxWorking = 64;
constexpr std::chrono::milliseconds kStep{100};

// Whether the program has abandoned this request.
bool given_up(int reply) {
  pollfd polled{.fd = reply, .events = 0, .revents = 0};
  return poll(&polled, 1, 0) > 0 && (polled.revents & (POLLHUP | POLLERR)) != 0;
}

// The descriptor in a message, if there is exactly one.
Fd descriptor_of(msghdr& message) {
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int)))
    return Fd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

}  // namespace

void Server::run() {
  for (;;) {
    switch (wait_for_request()) {
      case Next::request:
        if (take_request()) break;
        [[fallthrough]];
      case Next::end:
        _exit(0);
      case Next::quiet: {
        // From here on the program finds no reader and starts another helper. Requests that it sent before
        // are still answered.
        shutdown(channel_.get(), SHUT_RD);
        while (take_request()) {
        }
        std::unique_lock lock(mutex_);
        finished_.wait(lock, [this] { return working_ == 0; });
        _exit(0);
      }
    }
  }
}

Server::Next Server::wait_for_request() {
  auto quiet_since = std::chrono::steady_clock::now();
  for (;;) {
    bool busy = false;
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      busy = working_ > 0 || (keys_ != nullptr && keys_->logged_in());
      full = working_ >= kMaxWorking;
    }
    const auto now = std::chrono::steady_clock::now();
    if (busy) quiet_since = now;
    if (now - quiet_since >= idle_) return Next::quiet;
    // While every worker is busy, it only watches for the program's end.
    pollfd polled{.fd = channel_.get(), .events = static_cast<short>(full ? 0 : POLLIN), .revents = 0};
    const auto patience = full ? kStep : std::min(idle_, std::chrono::milliseconds(1'000));
    if (poll(&polled, 1, static_cast<int>(patience.count())) <= 0) continue;
    if ((polled.revents & POLLIN) != 0) return Next::request;
    return Next::end;
  }
}

// False if the program has closed its end.
bool Server::take_request() {
  Job job{.packet = Secret(keyclient::kMaxRequest), .reply = Fd()};
  iovec part{job.packet.fill().data(), job.packet.size()};
  struct alignas(cmsghdr) {
    std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
  } control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  const ssize_t size = recvmsg(channel_.get(), &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return errno == EINTR;
  if (size == 0) return false;
  job.reply = descriptor_of(message);
  if (job.reply.get() < 0 || (message.msg_flags & MSG_TRUNC) != 0) return true;
  job.packet = Secret::copy_of(job.packet.reveal().first(static_cast<std::size_t>(size)));
  {
    const std::lock_guard lock(mutex_);
    ++working_;
  }
  std::thread([this, moved = std::move(job)]() mutable { work(std::move(moved)); }).detach();
  return true;
}

void Server::work(Job job) {
  if (!given_up(job.reply.get())) {
    const Answer answered = answer(job.packet.reveal());
    wipe_dead_stack();  // before the answer is sent
    const ByteView tail = answered.tail.reveal();
    // sendmsg() only reads through these pointers.
    std::array<iovec, 2> parts = {
        iovec{const_cast<std::uint8_t*>(answered.head.data()), answered.head.size()},
        iovec{const_cast<std::uint8_t*>(tail.data()), tail.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    // A program that no longer waits gets nothing.
    static_cast<void>(sendmsg(job.reply.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  const std::lock_guard lock(mutex_);
  --working_;
  finished_.notify_all();
}

Server::Answer Server::answer(ByteView packet) {
  try {
    const auto request = keyclient::Request::parse(packet);
    if (!request) return {.head = keyclient::encode_failure(request.error()), .tail = Secret(0)};
    Bytes head = keyclient::encode_done();
    auto tail = serve(*request, head);
    if (!tail) return {.head = keyclient::encode_failure(tail.error()), .tail = Secret(0)};
    return {.head = std::move(head), .tail = *std::move(tail)};
  } catch (const std::bad_alloc&) {
    return {.head = keyclient::encode_failure(Error(Code::internal, "no more memory can be locked")),
            .tail = Secret(0)};
  }
}

Result<Secret> Server::serve(const keyclient::Request& request, Bytes& head) {
  const auto keys = this->keys(request.operation == Operation::list);
  if (!keys) return keys.error();
  switch (request.operation) {
    case Operation::list:
      head = keyclient::encode_keys((*keys)->list());
      return Secret(0);
    case Operation::certificate: {
      const auto certificate = (*keys)->certificate(request.derivation.key_id);
      if (!certificate) return certificate.error();
      head = keyclient::encode_certificate(*certificate);
      return Secret(0);
    }
    case Operation::login: {
      auto opened = (*keys)->log_in(Secret::copy_of(request.passphrase));
      if (!opened) return std::move(opened).error();
      return Secret(0);
    }
    case Operation::logout:
      (*keys)->log_out();
      return Secret(0);
    case Operation::derive:
      return (*keys)->derive(request.derivation);
    case Operation::encapsulate: {
      auto made = (*keys)->encapsulate(request.derivation.key_id);
      if (!made) return std::move(made).error();
      head = keyclient::encode_encapsulation_head(made->encapsulation);
      return std::move(made->secret);
    }
    case Operation::decapsulate:
      return (*keys)->decapsulate(request.derivation.key_id, request.encapsulation);
  }
  return Error(Code::malformed, "not a request");
}

Result<std::shared_ptr<Keys>> Server::keys(bool look_again) {
  const std::lock_guard lock(mutex_);
  if (keys_ != nullptr && !(look_again && keys_->outdated())) return keys_;
  auto read = Keys::read(config_);
  if (read) keys_ = *read;
  return read;
}

}  // namespace coprotect::keyhelper
