#pragma once

#include <chrono>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::agent::ipc {

// A blocking, framed channel over a stream socket (messages.h says what a frame is). send() is safe from
// several threads; receive() is called from one.
class Channel {
 public:
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}

  // Two channels that are each other's ends.
  static Result<std::pair<Fd, Fd>> make_pair();

  // Sends one frame and, with it, copies of open files. Code::unavailable if the other end is gone or takes
  // nothing for as long as limit_send() allows; the channel is of no use then, since half a frame may have
  // left.
  Status send(ByteView frame, std::span<const int> files = {});
  // The next frame. Code::unavailable once the other end is gone, Code::malformed for a length that no frame
  // has. Files that came along are taken if `files` is given and otherwise never enter this process.
  Result<Bytes> receive(std::vector<Fd>* files = nullptr);
  // The next frame, which has this many bytes; Code::malformed for one of another length. Takes no memory but
  // for files.
  Status receive_into(std::span<std::uint8_t> frame, std::vector<Fd>* files = nullptr);

  // Lets a send() fail that finds no room for this long, and a receive() to which nothing comes.
  Status limit_send(std::chrono::milliseconds limit);
  Status limit_receive(std::chrono::milliseconds limit);
  // Ends both directions: a receive() that waits returns.
  void shutdown();

 private:
  Status limit(int option, std::chrono::milliseconds limit);
  Result<std::size_t> receive_length(std::vector<Fd>* files);
  Status receive_exactly(std::span<std::uint8_t> out, std::vector<Fd>* files);

  Fd socket_;
  std::mutex sending_;
};

}  // namespace coprotect::agent::ipc
