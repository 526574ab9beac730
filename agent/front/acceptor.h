#pragma once

#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/front/places.h"
#include "agent/front/tally.h"
#include "protocol/base/fd.h"

namespace coprotect::agent::front {

// Accepts connections, in a thread of its own. libmicrohttpd would stop accepting when its places are taken,
// and leave honest clients in the kernel's queue behind strangers; here everybody is accepted at once, and
// Places says who gives way.
//
// It also sees connections off that were refused. Closing a socket that holds unread bytes makes the kernel
// send a reset, which overtakes the alert or the answer that says why. So what the client still sends is
// read and dropped, for a moment.
class Acceptor {
 public:
  // Takes a socket over and closes it, also on failure.
  using Taken = std::function<void(Fd socket, const sockaddr_storage& address, socklen_t size)>;

  static Result<std::unique_ptr<Acceptor>> make(Fd listener, Places& places, Tally& tally, Taken taken);
  ~Acceptor();

  // Starts the thread. Whoever sees connections off knows the object by now.
  void start();

  // Accepts nothing more, from its return on: who comes now is refused by the kernel.
  void stop_accepting();
  // When its thread last came round; it does several times a second.
  Clock::time_point last_turn() const { return last_turn_; }
  // Sees the other side of this socket off; the caller closes its own descriptor.
  void see_off(int socket);

 private:
  struct Leaving {
    Fd socket;
    Clock::time_point until;
  };

  Acceptor(Fd listener, Fd wake, Places& places, Tally& tally, Taken taken)
      : places_(places),
        tally_(tally),
        taken_(std::move(taken)),
        wake_(std::move(wake)),
        listener_(std::move(listener)) {}
  void run();
  // False if what waits cannot be accepted yet.
  bool accept_some();
  void drop_what_comes(Clock::time_point now);
  void wake() const;

  Places& places_;
  Tally& tally_;
  const Taken taken_;
  const Fd wake_;
  std::atomic<Clock::time_point> last_turn_ = Clock::now();
  std::mutex mutex_;  // guards the rest
  Fd listener_;
  std::vector<Leaving> leaving_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace coprotect::agent::front
