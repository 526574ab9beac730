#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "protocol/base/bytes.h"

namespace coprotect::harness {

// Somebody on the network between two programs: takes connections at one address and carries them to another.
// Addresses are "127.x.y.z:port"; a port of 0 lets the kernel choose.
class TcpProxy {
 public:
  // Gets each piece of a connection as it came, and returns what is sent on in its place, in order. Called
  // from several threads, one for each direction of a connection.
  using Meddle = std::function<std::vector<Bytes>(Bytes piece)>;

  TcpProxy(const std::string& listen, std::string target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  // All that came, in both directions.
  Bytes recorded() const;
  // Of the pieces that come from now on; at first they pass as they are.
  void meddle(Meddle meddle);
  // Ends what is open; new connections are taken.
  void cut();

 private:
  void accept();
  void carry(int from, int to);

  const std::string target_;
  int listener_;
  std::uint16_t port_;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;  // guards the next three
  Bytes record_;
  Meddle meddle_;
  std::vector<int> open_;
  std::list<std::jthread> carriers_;
  std::jthread acceptor_;
};

}  // namespace coprotect::harness
