#pragma once

#include <netinet/in.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"

namespace coprotect::harness::crowd {

// Strangers who hold so many connections to one agent, or as many as this process may have, from as many
// addresses: half of them silent, half with a handshake that they began. Those that are cut come again.
class Strangers {
 public:
  // `first` is the first of their addresses. They come from now on.
  Strangers(const std::string& url, std::size_t size, std::uint32_t first);
  std::string account() const;

 private:
  struct Stranger {
    Fd socket;
    bool speaks;
  };

  void run(const std::stop_token& stop);
  void add();
  // Waits for a moment, and sees who was cut, and who has a connection now.
  void look();

  const Bytes hello_;
  const std::size_t size_;
  const std::uint32_t first_;
  const Fd events_;
  sockaddr_in agent_{};
  std::vector<Stranger> strangers_;  // by descriptor
  std::atomic<std::size_t> held_ = 0;
  std::atomic<std::size_t> most_ = 0;
  std::atomic<std::size_t> come_ = 0;
  std::atomic<std::size_t> cut_ = 0;
  std::jthread thread_;
};

}  // namespace coprotect::harness::crowd
