#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "agent/custodian/settings.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// Whether another agent may be running under this agent's identity: a backup restored beside the live folder,
// or a copy of it. Both share one root in the token (hsm/epoch_keys.h). The first one to erase an epoch
// destroys the root for the other, with all shares of all keys. So an agent erases nothing after it was
// restored or rolled back, or after a peer reports something that it never wrote. It resumes once its peers
// report nothing new for several rounds of questions: in each round the other agent would have contacted
// them, too.
class OtherLife {
 public:
  // Details of the log entries of kind store that end a suspicion. Every other one begins it.
  static constexpr std::string_view kGone = "no second agent of this identity was heard of: erasures go on";
  static constexpr std::string_view kAccepted =
      "a store restored from a backup was accepted by the operator, no other agent was heard";

  explicit OtherLife(const Settings& settings) : settings_(settings) {}

  // Call for each log entry at start.
  void visit(const protocol::LogEntry& entry);
  // Stops all erasures. `heard_by` names the peer that heard of the other agent since this process last asked
  // it. Then two are certainly running.
  void suspect(const std::optional<std::string>& heard_by = std::nullopt);
  // Call when a peer's answer contained nothing new. True if that is enough to trust again.
  bool quiet();
  void trust();

  bool suspected() const;
  // Code::unavailable while nothing may be erased.
  Status check() const;
  // What the operator should do, if two are certainly running.
  std::optional<std::string> seen() const;

 private:
  const Settings& settings_;
  mutable std::mutex mutex_;  // guards all below
  bool suspected_ = false;
  std::optional<std::string> heard_by_;
  int quiet_answers_ = 0;
  std::int64_t counted_ms_ = 0;  // of the steady clock
};

}  // namespace coprotect::agent::custodian
