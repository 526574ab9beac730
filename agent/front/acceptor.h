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

// Accepts connections in its own thread. libmicrohttpd would stop accepting when its places are full and
// leave honest clients in the kernel's queue behind strangers. This class accepts every connection
// immediately, and Places decides which one gives way.
//
// It also drains refused connections. When a socket that holds unread bytes is closed, the kernel sends a
// reset, which can overtake the alert or the answer that gives the reason. So for a short time it reads and
// drops what the client still sends.
class Acceptor {
 public:
  // Takes ownership of a socket and closes it, also on failure.
  using Taken = std::function<void(Fd socket, const sockaddr_storage& address, socklen_t size)>;

  static Result<std::unique_ptr<Acceptor>> make(Fd listener, Places& places, Tally& tally, Taken taken);
  ~Acceptor();

  // Starts the thread. The code that drains connections must know the object by then.
  void start();

  // Stops accepting. Once it returns, the kernel refuses new connections.
  void stop_accepting();
  // When its thread last completed a turn; it does several times a second.
  Clock::time_point last_turn() const { return last_turn_; }
  // Drains this socket until its other side has closed it or the time is over. The caller closes its own
  // descriptor.
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
  // False if a waiting connection cannot be accepted yet.
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
