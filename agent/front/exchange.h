#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

#include "agent/front/deadlines.h"
#include "agent/ipc/channel.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// 16 hex digits that name a request in answers and logs; for what the front answers itself.
std::string make_request_id();

// The calls that wait for the custodian. Each is answered exactly once: by its reply, or with
// Code::unavailable at its deadline or if it cannot be sent. Safe from several threads.
class Exchange {
 public:
  // Called from another thread than the one of call(), or from within call(); it must not call back.
  using Answered = std::function<void(ipc::Reply)>;

  explicit Exchange(ipc::Channel& channel) : channel_(channel) {}

  // Sends the call (the exchange sets its id and budget).
  void call(ipc::Call call, Clock::time_point deadline, Answered answered);
  // A reply from the custodian. One that nobody waits for is dropped: its call was given up.
  void deliver(ipc::Reply reply);
  // Gives up what is overdue; called several times a second.
  void sweep(Clock::time_point now);

 private:
  struct Waiting {
    Clock::time_point deadline;
    Answered answered;
  };
  void give_up(std::uint64_t id, const std::string& why);

  ipc::Channel& channel_;
  std::mutex mutex_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Waiting> waiting_;
};

}  // namespace coprotect::agent::front
