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

  // Sends a request, in two parts that need not be adjacent, with the socket for its reply. False if it did
  // not arrive because the helper has ended or accepts nothing before the deadline.
  bool send(ByteView head, ByteView tail, int reply_socket, Deadline deadline) const;

 private:
  Fd fd_;
  SocketIdentity identity_;
};

// The connection of one process to its helper. It starts a helper on demand, and again after that one has
// ended. Safe from any number of threads. No lock is held while a helper works.
class HelperLink {
 public:
  HelperLink() = default;

  // One request, one reply. Code::internal if no reply comes before the deadline. A request that a dead
  // helper left unanswered goes once to a new one. Every request may be repeated, but a derivation is then
  // logged twice.
  Result<WipedBytes> exchange(ByteView head, ByteView tail, Deadline deadline);
  // Disconnects the helper, which then ends.
  void close();
  // In a child of fork(): closes its copy of the parent's channel, if the descriptor still is that channel.
  void abandon();

 private:
  Result<std::shared_ptr<Channel>> channel(const std::shared_ptr<Channel>& dead);

  std::mutex mutex_;
  std::shared_ptr<Channel> channel_;
  // A copy for abandon(), which must not trust what the mutex guards.
  std::atomic<int> number_ = -1;
  std::atomic<dev_t> device_ = 0;
  std::atomic<ino_t> inode_ = 0;
};

}  // namespace coprotect::keyclient
