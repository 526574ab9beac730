#pragma once

#include <string>
#include <vector>

#include "protocol/handover/plan.h"

namespace coprotect::protocol {

// Consent to a plan that is no refresh (SPEC.md §13.8). It is of one agent, to one plan, for at most a day.
// An agent deals by such a plan only when it sees the unexpired consents of all agents that deal by it: two
// operators who consented to two different plans give values that do not belong together.
constexpr std::int64_t kMaxConsentMs = std::int64_t{24} * 60 * 60 * 1000;

struct Consent {
  PublicKeyBytes identity_key;
  Digest plan_hash;  // SHA-256(plan)
  std::int64_t not_after_ms;
  std::string words;  // what the agent made of the plan that it parsed itself (quorums.h)
  Signature signature;

  // Signs it; `words` is UTF-8.
  static Consent make(const HandoverPlan& plan, std::int64_t not_after_ms, std::string words,
                      const SigningKey& identity);
  bool verify(const VerifyKey& identity) const;
  Bytes encode() const;
  // Code::malformed for another form. Does not check the signature.
  static Result<Consent> parse(ByteView encoded);
};

// SHA-256 of the encoded plan: what consents, approvals and the log name it by.
Digest plan_hash(const HandoverPlan& plan);

// The positions in the present epoch of the agents that have to consent to a plan: those that deal by it, and
// those that hold a share and keep one.
std::vector<std::size_t> consenting_agents(const HandoverPlan& plan, const Sharing& now);

// Whether these are the consents of all consenting agents to this plan, each once and none of anybody else,
// at this time. Code::denied names an agent whose consent is missing, expired, or for longer than a day;
// Code::unauthenticated one whose signature does not hold, Code::malformed what does not belong.
Status check_consents(const HandoverPlan& plan, const Sharing& now, const std::vector<Bytes>& consents,
                      std::int64_t now_ms);

// A plan that waits for an agent's operator, as the agent leaves it in its own folder.
struct PendingPlan {
  KeyId key_id;
  Digest plan_hash;
  std::uint32_t epoch;  // the plan's
  std::string client;   // who proposes it: a URI
  std::int64_t proposed_ms;
  std::string words;  // what the operator is shown

  Bytes encode() const;
  static Result<PendingPlan> parse(ByteView encoded);
};

// The operator's word on it.
struct OperatorApproval {
  KeyId key_id;
  Digest plan_hash;
  std::int64_t not_after_ms;

  Bytes encode() const;
  static Result<OperatorApproval> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
