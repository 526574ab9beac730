#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "client/keyclient/descriptor.h"
#include "client/keyclient/wiped.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::keyclient {

using Deadline = std::chrono::steady_clock::time_point;

// This program's end of the channel to its coprotect-keyd.
class Channel {
 public:
  // Starts a helper.
  static Result<std::shared_ptr<Channel>> open();
  Channel(Fd fd, SocketIdentity identity) : fd_(std::move(fd)), identity_(identity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (!usable()) fd_.release();
  }

  int number() const { return fd_.get(); }
  const SocketIdentity& identity() const { return identity_; }
  // Whether the descriptor is still the one that was opened, and the helper has not closed its end.
  bool usable() const { return identity_.is_still(fd_.get()); }

  // Sends a request, in two parts that need not lie together, with the socket for its reply. False if it did
  // not arrive, because the helper is gone or takes nothing before the deadline.
  bool send(ByteView head, ByteView tail, int reply_socket, Deadline deadline) const;

 private:
  Fd fd_;
  SocketIdentity identity_;
};

// The connection of one process to its helper, which is started when it is needed and again when it has
// ended. Safe from any number of threads; no lock is held while a helper works.
class HelperLink {
 public:
  HelperLink() = default;

  // One request, one reply: Code::internal if none comes before the deadline. What a dead helper left
  // unanswered goes to a new one, once: every request may be repeated, a derivation is then recorded twice.
  Result<WipedBytes> exchange(ByteView head, ByteView tail, Deadline deadline);
  // Lets the helper go, which then ends.
  void close();
  // In a child of fork(): closes its copy of the parent's channel, if it still is that.
  void abandon();

 private:
  Result<std::shared_ptr<Channel>> channel(const std::shared_ptr<Channel>& dead);

  std::mutex mutex_;
  std::shared_ptr<Channel> channel_;
  // The same once more for abandon(), which must not trust what the mutex guards.
  std::atomic<int> number_ = -1;
  std::atomic<dev_t> device_ = 0;
  std::atomic<ino_t> inode_ = 0;
};

}  // namespace coprotect::keyclient
