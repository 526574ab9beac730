#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "agent/custodian/chain.h"
#include "agent/ipc/channel.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent {

// The chained requests that wait for a peer: no thread does. Each is a frame to the relay, an answer from it
// some time later, and in the end a reply to the front. Safe from several threads.
class Chains {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kIdEnd = std::uint64_t{1} << 63;

  struct Waiting {
    std::shared_ptr<ipc::Channel> front;
    ipc::Reply reply;              // without its body
    std::optional<Error> refused;  // why this agent itself does not answer, if so
    custodian::Chain chain;
    Clock::time_point received;
    Clock::time_point deadline;  // when the front, or whoever asked it, gives up
  };
  // Called when a request has its answer, or has none that anybody waits for.
  using Finished = std::function<void(const Waiting&)>;

  explicit Chains(Finished finished) : finished_(std::move(finished)) {}

  // Asks the next party, or finishes.
  void begin(Waiting waiting);
  // Whether an answer of the relay's is to a question of these; other ids are those of exchanges.h.
  static bool owns(std::uint64_t id) { return id < kIdEnd; }
  // Another relay, or none. What was asked of the one before gets no answer.
  void use(std::shared_ptr<ipc::Channel> relay);
  // What the relay brings. An answer that nobody waits for is dropped.
  void answered(ipc::Forwarded answer);
  // Gives up what the relay should have given up itself.
  void sweep();
  // How long until sweep() may have something to do; at most `most`.
  std::chrono::milliseconds due_within(std::chrono::milliseconds most);

 private:
  struct Asked {
    Waiting waiting;
    std::shared_ptr<ipc::Channel> relay;
    Clock::time_point give_up;
    Clock::time_point since;
    std::size_t weight;
  };
  void advance(Waiting waiting);
  // Moves the request into the table. The relay to ask and the question's id, or why it cannot be asked.
  struct Question {
    std::shared_ptr<ipc::Channel> relay;
    std::uint64_t id;
  };
  Result<Question> remember(Waiting& waiting, std::chrono::milliseconds patience);
  void conclude(std::uint64_t id, const Result<Bytes>& answer);

  const Finished finished_;
  std::mutex mutex_;  // guards all below
  std::shared_ptr<ipc::Channel> relay_;
  std::map<std::uint64_t, Asked> asked_;
  std::size_t weight_ = 0;  // bytes that they hold
  std::uint64_t next_id_ = 1;
};

}  // namespace coprotect::agent
