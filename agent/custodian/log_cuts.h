#pragma once

#include <optional>

#include "agent/custodian/log.h"
#include "agent/custodian/peers.h"
#include "agent/custodian/settings.h"
#include "hsm/log_cut_request.h"

namespace coprotect::agent::custodian {

// Cuts off the beginning of the log when the operator has an archive of it and says so on the agent's host
// (hsm/log_cut_request.h). One transaction removes the entries, keeps the signed cut and what a start needs
// of them, and says so in the log. It waits until every other agent of this one's keys was heard to remember
// the log up to there: what they remember cannot be compared with it afterwards.
class LogCuts {
 public:
  // All outlive it.
  LogCuts(const Settings& settings, const hsm::Keyring& keyring, Store& store, Log& log, const Peers& peers)
      : settings_(settings), store_(store), log_(log), peers_(peers), requests_(settings.folder, keyring) {}

  // Does what the operator asked for, if it is not done yet. The error says why not; what failed is tried
  // again a minute later.
  Status look();

 private:
  Status carry_out(const hsm::LogCutRequest& request);
  Status remove(const hsm::LogCutRequest& request, const std::set<protocol::PublicKeyBytes>& heard);

  const Settings& settings_;
  Store& store_;
  Log& log_;
  const Peers& peers_;
  hsm::LogCutRequests requests_;
  std::optional<std::uint64_t> done_;  // up to where the log is known to be cut
  std::optional<Error> failed_;
  std::int64_t failed_ms_ = 0;
};

}  // namespace coprotect::agent::custodian
