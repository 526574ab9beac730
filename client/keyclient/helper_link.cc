#include "client/keyclient/helper_link.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "client/keyclient/message.h"
#include "client/keyclient/spawn.h"

namespace coprotect::keyclient {
namespace {

Error system_error(const char* what) {
  return {Code::internal, std::string(what) + ": " + std::strerror(errno)};
}

Result<std::pair<Fd, Fd>> socket_pair() {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return system_error("cannot make a channel to coprotect-keyd");
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

// Waits until the socket can be read or written. False at the deadline.
bool wait_for(int fd, short event, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd polled{.fd = fd, .events = event, .revents = 0};
    const int ready =
        poll(&polled, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000)));
    if (ready > 0) return true;
    if (ready == 0 && left.count() <= 1'000'000) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Error not_answering() {
  return {Code::internal, "coprotect-keyd does not answer"};
}

// Nothing if the helper ended without an answer.
Result<std::optional<WipedBytes>> receive(int socket, Deadline deadline) {
  if (!wait_for(socket, POLLIN, deadline)) return not_answering();
  std::uint8_t nothing = 0;
  const ssize_t size = recv(socket, &nothing, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  if (size <= 0) return std::optional<WipedBytes>();
  if (static_cast<std::size_t>(size) > kMaxReply)
    return Error(Code::internal, "coprotect-keyd sent more than a reply");
  WipedBytes reply(static_cast<std::size_t>(size));
  if (recv(socket, reply.fill().data(), reply.size(), MSG_DONTWAIT) != size)
    return std::optional<WipedBytes>();
  return std::optional(std::move(reply));
}

}  // namespace

Result<std::shared_ptr<Channel>> Channel::open() {
  auto ends = socket_pair();
  if (!ends) return std::move(ends).error();
  const SocketIdentity identity = SocketIdentity::of(ends->first.get());
  if (auto started = spawn_keyd(ends->second.get()); !started) return std::move(started).error();
  return std::make_shared<Channel>(std::move(ends->first), identity);
}

bool Channel::send(ByteView head, ByteView tail, int reply_socket, Deadline deadline) const {
  // sendmsg() only reads through these pointers.
  std::array<iovec, 2> parts = {iovec{const_cast<std::uint8_t*>(head.data()), head.size()},
                                iovec{const_cast<std::uint8_t*>(tail.data()), tail.size()}};
  struct alignas(cmsghdr) {
    std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
  } control;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof reply_socket);
  std::memcpy(CMSG_DATA(header), &reply_socket, sizeof reply_socket);
  while (usable()) {
    if (sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !wait_for(fd_.get(), POLLOUT, deadline)) return false;
  }
  return false;
}

Result<std::shared_ptr<Channel>> HelperLink::channel(const std::shared_ptr<Channel>& dead) {
  const std::lock_guard lock(mutex_);
  if (channel_ != nullptr && channel_ != dead) return channel_;
  auto opened = Channel::open();
  if (!opened) return opened;
  channel_ = *std::move(opened);
  number_ = channel_->number();
  device_ = channel_->identity().device;
  inode_ = channel_->identity().inode;
  return channel_;
}

Result<WipedBytes> HelperLink::exchange(ByteView head, ByteView tail, Deadline deadline) {
  std::shared_ptr<Channel> dead;
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto open = channel(dead);
    if (!open) return std::move(open).error();
    auto reply_ends = socket_pair();
    if (!reply_ends) return std::move(reply_ends).error();
    const bool sent = (*open)->send(head, tail, reply_ends->second.get(), deadline);
    reply_ends->second.reset();
    if (sent) {
      auto reply = receive(reply_ends->first.get(), deadline);
      if (!reply) return std::move(reply).error();
      if (*reply) return **std::move(reply);
    }
    if (std::chrono::steady_clock::now() >= deadline) return not_answering();
    dead = *std::move(open);
  }
  return Error(Code::internal, "coprotect-keyd ended without an answer");
}

void HelperLink::close() {
  std::shared_ptr<Channel> last;
  const std::lock_guard lock(mutex_);
  last.swap(channel_);
  number_ = -1;
}

void HelperLink::abandon() {
  const int number = number_;
  const SocketIdentity identity{.device = device_, .inode = inode_};
  if (number >= 0 && identity.is_still(number)) ::close(number);
}

}  // namespace coprotect::keyclient
