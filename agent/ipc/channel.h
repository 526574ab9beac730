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

  // The two ends of a new channel.
  static Result<std::pair<Fd, Fd>> make_pair();

  // Sends one frame and, with it, copies of open files. Code::unavailable if the other end is gone, or
  // accepts nothing for as long as limit_send() allows. The channel is unusable then, because half a frame
  // may have been sent.
  Status send(ByteView frame, std::span<const int> files = {});
  // Receives the next frame. Code::unavailable once the other end is gone, Code::malformed for an invalid
  // length. Files that come with it are accepted only if `files` is given; otherwise they never enter this
  // process.
  Result<Bytes> receive(std::vector<Fd>* files = nullptr);
  // Receives the next frame, which must have this many bytes; Code::malformed for another length. Allocates
  // memory only for files.
  Status receive_into(std::span<std::uint8_t> frame, std::vector<Fd>* files = nullptr);

  // Makes a send() fail that finds no room for this long, or a receive() to which nothing comes.
  Status limit_send(std::chrono::milliseconds limit);
  Status limit_receive(std::chrono::milliseconds limit);
  // Ends both directions; a blocked receive() returns.
  void shutdown();

 private:
  Status limit(int option, std::chrono::milliseconds limit);
  Result<std::size_t> receive_length(std::vector<Fd>* files);
  Status receive_exactly(std::span<std::uint8_t> out, std::vector<Fd>* files);

  Fd socket_;
  std::mutex sending_;
};

}  // namespace coprotect::agent::ipc
