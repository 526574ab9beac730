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

// 16 hex digits that identify a request in answers and logs; for what the front answers itself.
std::string make_request_id();

// The calls that wait for the custodian. Each gets exactly one answer: its reply, or Code::unavailable at its
// deadline, when its client closes the connection, or if it cannot be sent. Tells the custodian which calls
// were given up. Safe from several threads.
class Exchange {
 public:
  // Called from any thread, possibly from within call(). It must not call back into this object.
  using Answered = std::function<void(ipc::Reply)>;

  explicit Exchange(ipc::Channel& channel) : channel_(channel) {}

  // Sends the call; sets its id and budget. `socket` is the call's connection, which must stay open until it
  // is answered.
  void call(ipc::Call call, int socket, Clock::time_point deadline, Answered answered);
  // Delivers a reply from the custodian. Drops it if its call was given up.
  void deliver(ipc::Reply reply);
  // Answers the custodian's ping with the use of the limits of the front's parts and of this one.
  void pong(std::uint64_t number, ipc::Usage usage);
  // Gives up overdue or abandoned calls. Call several times a second.
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
  std::uint64_t overdue_ = 0;  // calls without an answer in time
  std::unordered_map<std::uint64_t, Waiting> waiting_;
};

}  // namespace coprotect::agent::front
