#pragma once

#include <optional>

#include "agent/custodian/log.h"
#include "agent/custodian/peers.h"
#include "agent/custodian/settings.h"
#include "hsm/log_cut_request.h"

namespace coprotect::agent::custodian {

// Cuts off the beginning of the log when the operator has archived it and requests that on the agent's host
// (hsm/log_cut_request.h). One transaction removes the entries, keeps the signed cut and the state that a
// start needs from them, and logs the cut. It waits until every other agent of this agent's keys has
// confirmed that it remembers the log up to there, because their memory cannot be compared with it
// afterwards.
class LogCuts {
 public:
  // All arguments must outlive it.
  LogCuts(const Settings& settings, const hsm::Keyring& keyring, Store& store, Log& log, const Peers& peers)
      : settings_(settings), store_(store), log_(log), peers_(peers), requests_(settings.folder, keyring) {}

  // Carries out the operator's request, if that is not done yet. The error says why not; a failure is retried
  // after a minute.
  Status look();

 private:
  Status carry_out(const hsm::LogCutRequest& request);
  Status remove(const hsm::LogCutRequest& request, const std::set<protocol::PublicKeyBytes>& heard);

  const Settings& settings_;
  Store& store_;
  Log& log_;
  const Peers& peers_;
  hsm::LogCutRequests requests_;
  std::optional<std::uint64_t> done_;  // the log is known to be cut up to here
  std::optional<Error> failed_;
  std::int64_t failed_ms_ = 0;
};

}  // namespace coprotect::agent::custodian
