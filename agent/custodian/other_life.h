#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "agent/custodian/settings.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// Whether another agent may run under this agent's identity: a backup that was restored beside the live
// folder, or a copy of it. Both have one root in the token (hsm/epoch_keys.h), and the first that erases an
// epoch destroys it for the other, with all shares of all keys. So an agent that was restored or put back, or
// that hears through a peer what it never wrote, erases nothing until its peers know nothing new of it for
// some rounds of questions: in each round the other agent would have told them of itself.
class OtherLife {
 public:
  // Details of log entries of kind store that end a suspicion; every other one begins it.
  static constexpr std::string_view kGone = "no second agent of this identity was heard of: erasures go on";
  static constexpr std::string_view kAccepted =
      "a store restored from a backup was accepted by the operator, no other agent was heard";

  explicit OtherLife(const Settings& settings) : settings_(settings) {}

  // For the log while it is read.
  void visit(const protocol::LogEntry& entry);
  // Erases nothing from now on. `heard_by`: the peer that heard of the other one since this process asked it
  // before. Then two run for certain.
  void suspect(const std::optional<std::string>& heard_by = std::nullopt);
  // A peer's answer knew nothing new. True if that is enough to trust.
  bool quiet();
  void trust();

  bool suspected() const;
  // Code::unavailable while nothing may be erased.
  Status check() const;
  // What the operator should do, if two run for certain.
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
