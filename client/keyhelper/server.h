#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>

#include "client/keyhelper/keys.h"
#include "protocol/base/fd.h"

namespace coprotect::keyhelper {

// Answers one program's requests (client/keyclient/message.h), each in its own thread. It ends when the
// program has closed its end, or has sent no request for a while and is not logged in.
class Server {
 public:
  // `channel`: the helper's end.
  Server(Fd channel, std::filesystem::path config, std::chrono::milliseconds idle)
      : channel_(std::move(channel)), config_(std::move(config)), idle_(idle) {}

  // Ends the process when all is done. After the program has ended, it does not wait for unfinished answers.
  [[noreturn]] void run();

 private:
  struct Job {
    Secret packet;
    Fd reply;
  };
  // A reply's two parts. The second one is secret.
  struct Answer {
    Bytes head;
    Secret tail;
  };
  enum class Next { request, quiet, end };

  Next wait_for_request();
  bool take_request();
  void work(Job job);
  Answer answer(ByteView packet);
  Result<Secret> serve(const keyclient::Request& request, Bytes& head);
  Result<std::shared_ptr<Keys>> keys(bool look_again);

  Fd channel_;
  std::filesystem::path config_;
  std::chrono::milliseconds idle_;

  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t working_ = 0;
  std::shared_ptr<Keys> keys_;
};

}  // namespace coprotect::keyhelper
