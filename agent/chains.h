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

// Chained requests that wait for a peer. No thread blocks on them: each sends a frame to the relay, later
// receives the relay's answer, and in the end gets a reply to the front. Safe from several threads.
class Chains {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kIdEnd = std::uint64_t{1} << 63;

  struct Waiting {
    std::shared_ptr<ipc::Channel> front;
    ipc::Reply reply;              // without its body
    std::optional<Error> refused;  // why this agent refused its own part, if it did
    custodian::Chain chain;
    Clock::time_point received;
    Clock::time_point deadline;  // when the front or its caller gives up
    FairWorkers::Turn turn;      // the tenant and client that it counts for
  };
  // The most that may wait at a time. A request whose client has hung up counts until its deadline.
  struct Limits {
    std::size_t of_tenant;
    std::size_t of_client;
  };
  // Called when a request is answered or nobody waits for its answer any more.
  using Finished = std::function<void(const Waiting&)>;

  Chains(Finished finished, const Limits& limits) : finished_(std::move(finished)), limits_(limits) {}

  // Asks the next party, or finishes. Asks nobody if the client or its tenant already has too many waiting.
  void begin(Waiting waiting);
  // Whether a relay's answer belongs to a question of this class. Other ids belong to exchanges.h.
  static bool owns(std::uint64_t id) { return id < kIdEnd; }
  // Applies to new requests.
  void use(const Limits& limits);
  // How much of each limit is in use.
  std::vector<LimitUse> uses() const;
  // Replaces the relay; null if none runs. Questions to the previous relay get no answer.
  void use(std::shared_ptr<ipc::Channel> relay);
  // Takes an answer from the relay. Drops it if no request waits for it.
  void answered(ipc::Forwarded answer);
  // Gives up questions that the relay should have given up itself.
  void sweep();
  // Time until sweep() may have work; at most `most`.
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
  // Moves the request into the table. Returns the relay to ask and the question's id, or why it cannot be
  // asked.
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
  std::size_t weight_ = 0;  // bytes held by the waiting requests
  std::uint64_t next_id_ = 1;
};

}  // namespace coprotect::agent
