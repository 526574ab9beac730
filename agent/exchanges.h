#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "agent/chains.h"
#include "agent/custodian/custodian.h"
#include "agent/ipc/channel.h"
#include "agent/ipc/messages.h"
#include "agent/workers.h"

namespace coprotect::agent {

// Asks the other agents, at start and then periodically, what they remember of this one (custodian/peers.h).
// Questions go through the relay; workers do the processing. Safe from several threads.
class Exchanges {
 public:
  using Clock = std::chrono::steady_clock;

  // `period` is the time between rounds. After a round in which a peer did not answer, the next one comes
  // sooner.
  Exchanges(custodian::Custodian& custodian, Workers& workers, std::chrono::seconds period)
      : custodian_(custodian), workers_(workers), period_(period) {}

  // Replaces the relay; null if none runs. Questions to the previous relay get no answer.
  void use(std::shared_ptr<ipc::Channel> relay);
  // Begins a round if one is due.
  void ask_when_due();
  // Time until ask_when_due() may have work; at most `most`.
  std::chrono::milliseconds due_within(std::chrono::milliseconds most);
  void answered(ipc::Forwarded answer);
  // Waits until every peer has answered or failed in the first round, or `patience` is over.
  void await_first_round(std::chrono::milliseconds patience);

 private:
  struct Asked {
    custodian::PeerQuestion question;
    std::shared_ptr<ipc::Channel> relay;
    int again;  // number of immediate repeats
  };
  void ask();
  void send(custodian::PeerQuestion question, int again);
  void conclude(const Asked& asked, const ipc::Forwarded& answer);
  void finished(const Asked& asked, const std::optional<Error>& failure);

  custodian::Custodian& custodian_;
  Workers& workers_;
  const std::chrono::seconds period_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::shared_ptr<ipc::Channel> relay_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t next_id_ = Chains::kIdEnd;
  bool asking_ = false;  // a worker is making a round's questions
  std::size_t concluding_ = 0;
  bool round_over_ = false;  // the first one
  bool failed_ = false;      // some peer failed in this round
  Clock::time_point due_{};
  std::set<std::string> silent_;  // URLs of peers whose failure was logged
};

}  // namespace coprotect::agent
