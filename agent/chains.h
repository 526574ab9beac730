#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "agent/custodian/chain.h"
#include "agent/fair_workers.h"
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
    FairWorkers::Turn turn;      // whose it is
  };
  // How many may wait at a time: also those whose client has hung up, which end with their deadline.
  struct Limits {
    std::size_t of_tenant;
    std::size_t of_client;
  };
  // Called when a request has its answer, or has none that anybody waits for.
  using Finished = std::function<void(const Waiting&)>;

  Chains(Finished finished, const Limits& limits) : finished_(std::move(finished)), limits_(limits) {}

  // Asks the next party, or finishes. Of a client or a tenant that has too many waiting it asks nobody.
  void begin(Waiting waiting);
  // Whether an answer of the relay's is to a question of these; other ids are those of exchanges.h.
  static bool owns(std::uint64_t id) { return id < kIdEnd; }
  // For requests that come from now on.
  void use(const Limits& limits);
  // How much of each limit is in use.
  std::vector<LimitUse> uses() const;
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

  Status may_wait(const Waiting& waiting, std::size_t weight);

  const Finished finished_;
  mutable std::mutex mutex_;  // guards all below
  Limits limits_;
  struct Hits {
    std::uint64_t of_client, of_tenant, of_all;
  } hits_{};
  std::shared_ptr<ipc::Channel> relay_;
  std::map<std::uint64_t, Asked> asked_;
  std::size_t weight_ = 0;  // bytes that they hold
  std::uint64_t next_id_ = 1;
};

}  // namespace coprotect::agent
