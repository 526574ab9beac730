#include "agent/ipc/channel.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/ipc/messages.h"
#include "protocol/base/reader.h"

namespace coprotect::agent::ipc {
namespace {

constexpr std::size_t kMaxFiles = 2;
constexpr std::size_t kStep = std::size_t{256} << 10;

Error system_error(std::string_view what, int number) {
  return {Code::unavailable, std::string(what) + ": " + std::strerror(number)};
}

// Room for the control message that carries kMaxFiles descriptors.
struct alignas(cmsghdr) ControlBuffer {
  std::array<char, CMSG_SPACE(kMaxFiles * sizeof(int))> bytes{};
};

void attach(msghdr& message, ControlBuffer& control, std::span<const int> files) {
  message.msg_control = control.bytes.data();
  message.msg_controllen = CMSG_SPACE(files.size_bytes());
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(files.size_bytes());
  std::memcpy(CMSG_DATA(header), files.data(), files.size_bytes());
}

void take_files(msghdr& message, std::vector<Fd>& files) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      files.emplace_back(fd);
    }
  }
}

}  // namespace

Result<std::pair<Fd, Fd>> Channel::make_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return system_error("socketpair", errno);
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

Status Channel::send(ByteView frame, std::span<const int> files) {
  invariant(!frame.empty() && files.size() <= kMaxFiles);
  if (frame.size() > kMaxFrame)
    return Error(Code::internal, "channel: a frame of " + std::to_string(frame.size()) + " bytes");
  const auto size = static_cast<std::uint32_t>(frame.size());
  const ByteArray<4> length = {static_cast<std::uint8_t>(size >> 24), static_cast<std::uint8_t>(size >> 16),
                               static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)};
  std::array<ByteView, 2> parts{length, frame};

  const std::lock_guard lock(sending_);
  while (!parts[1].empty()) {
    std::array<iovec, 2> vectors{};
    for (std::size_t i = 0; i < parts.size(); ++i)  // sendmsg() only reads through the pointer
      vectors[i] = {const_cast<std::uint8_t*>(parts[i].data()), parts[i].size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.size();
    ControlBuffer control;
    if (!files.empty()) attach(message, control, files);
    const ssize_t n = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("channel", errno);
    files = {};
    std::size_t sent = static_cast<std::size_t>(n);
    for (ByteView& part : parts) {
      const std::size_t of_this = std::min(sent, part.size());
      part = part.subspan(of_this);
      sent -= of_this;
    }
  }
  return Done{};
}

Status Channel::receive_exactly(std::span<std::uint8_t> out, std::vector<Fd>* files) {
  while (!out.empty()) {
    iovec vector{out.data(), out.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    ControlBuffer control;
    if (files != nullptr) {
      message.msg_control = control.bytes.data();
      message.msg_controllen = control.bytes.size();
    }
    const ssize_t n = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("channel", errno);
    if (n == 0) return Error(Code::unavailable, "channel: closed by the other side");
    if (files != nullptr) take_files(message, *files);
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return Done{};
}

Result<std::size_t> Channel::receive_length(std::vector<Fd>* files) {
  ByteArray<4> prefix;
  if (auto got = receive_exactly(prefix, files); !got) return std::move(got).error();
  const std::size_t size = *Reader(prefix).u32();
  if (size == 0 || size > kMaxFrame)
    return Error(Code::malformed, "channel: a frame of an impossible length");
  return size;
}

Status Channel::receive_into(std::span<std::uint8_t> frame, std::vector<Fd>* files) {
  const auto size = receive_length(files);
  if (!size) return size.error();
  if (*size != frame.size()) return Error(Code::malformed, "channel: a frame of another length");
  return receive_exactly(frame, files);
}

Result<Bytes> Channel::receive(std::vector<Fd>* files) {
  const auto size = receive_length(files);
  if (!size) return size.error();
  Bytes frame;
  while (frame.size() < *size) {  // allocates as bytes arrive, not as the length claims
    const std::size_t have = frame.size();
    frame.resize(std::min(*size, have + kStep));
    if (auto got = receive_exactly(std::span(frame).subspan(have), files); !got)
      return std::move(got).error();
  }
  return frame;
}

Status Channel::limit(int option, std::chrono::milliseconds limit) {
  const timeval value{.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
  if (setsockopt(socket_.get(), SOL_SOCKET, option, &value, sizeof value) != 0)
    return system_error("channel: a limit of time", errno);
  return Done{};
}

Status Channel::limit_send(std::chrono::milliseconds limit) {
  return this->limit(SO_SNDTIMEO, limit);
}

Status Channel::limit_receive(std::chrono::milliseconds limit) {
  return this->limit(SO_RCVTIMEO, limit);
}

void Channel::shutdown() {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace coprotect::agent::ipc
