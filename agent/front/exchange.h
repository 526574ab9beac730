#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/front/deadlines.h"
#include "agent/ipc/channel.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// 16 hex digits that name a request in answers and logs; for what the front answers itself.
std::string make_request_id();

// The calls that wait for the custodian. Each is answered exactly once: by its reply, or with
// Code::unavailable at its deadline, when its client has closed the connection, or if it cannot be sent. The
// custodian is told of those that are given up. Safe from several threads.
class Exchange {
 public:
  // Called from another thread than the one of call(), or from within call(); it must not call back.
  using Answered = std::function<void(ipc::Reply)>;

  explicit Exchange(ipc::Channel& channel) : channel_(channel) {}

  // Sends the call (the exchange sets its id and budget). `socket` is its connection's, which stays open
  // until it is answered.
  void call(ipc::Call call, int socket, Clock::time_point deadline, Answered answered);
  // A reply from the custodian. One that nobody waits for is dropped: its call was given up.
  void deliver(ipc::Reply reply);
  // Answers the custodian's ping, and tells it what the front's parts, and this one, have of their limits.
  void pong(std::uint64_t number, ipc::Usage usage);
  // Gives up what is overdue or abandoned; called several times a second.
  void sweep(Clock::time_point now);

 private:
  struct Waiting {
    int socket;
    Clock::time_point deadline;
    Answered answered;
  };
  void give_up(std::uint64_t id, const std::string& why);
  std::vector<std::uint64_t> overdue(Clock::time_point now);
  std::vector<std::uint64_t> abandoned();

  ipc::Channel& channel_;
  std::mutex mutex_;
  std::uint64_t next_id_ = 1;
  std::uint64_t overdue_ = 0;  // calls that had no answer in the request's time
  std::unordered_map<std::uint64_t, Waiting> waiting_;
};

}  // namespace coprotect::agent::front
