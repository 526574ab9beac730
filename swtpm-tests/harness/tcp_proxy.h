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

// A man in the middle between two programs: accepts connections at one address and forwards them to another.
// Addresses are "127.x.y.z:port"; with port 0 the kernel chooses.
class TcpProxy {
 public:
  // Receives each piece of a connection, and returns the pieces to forward instead, in order. It is called
  // from several threads, one for each direction of a connection.
  using Meddle = std::function<std::vector<Bytes>(Bytes piece)>;

  TcpProxy(const std::string& listen, std::string target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  // Everything received, in both directions.
  Bytes recorded() const;
  // Applies to pieces from now on. At first they pass unchanged.
  void meddle(Meddle meddle);
  // Closes open connections. New ones are still accepted.
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
