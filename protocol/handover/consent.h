#pragma once

#include <string>
#include <vector>

#include "protocol/handover/plan.h"

namespace coprotect::protocol {

// An agent's consent to one plan that is not a refresh (SPEC.md §13.8), for at most a day. An agent deals by
// such a plan only if it sees the unexpired consents of all consenting_agents(). Otherwise two operators
// could consent to two different plans, and their agents would deal values that do not belong together.
constexpr std::int64_t kMaxConsentMs = std::int64_t{24} * 60 * 60 * 1000;

struct Consent {
  PublicKeyBytes identity_key;
  Digest plan_hash;  // SHA-256(plan)
  std::int64_t not_after_ms;
  std::string words;  // what the agent wrote about the plan that it parsed itself (quorums.h)
  Signature signature;

  // Signs it; `words` is UTF-8.
  static Consent make(const HandoverPlan& plan, std::int64_t not_after_ms, std::string words,
                      const SigningKey& identity);
  bool verify(const VerifyKey& identity) const;
  Bytes encode() const;
  // Code::malformed if the encoding is malformed. Does not check the signature.
  static Result<Consent> parse(ByteView encoded);
};

// SHA-256 of the encoded plan. Consents, approvals and the log name a plan by it.
Digest plan_hash(const HandoverPlan& plan);

// The positions, in the present epoch, of the agents that must consent to a plan: those that deal by it, and
// those that hold a share and keep one.
std::vector<std::size_t> consenting_agents(const HandoverPlan& plan, const Sharing& now);

// Checks that these are the consents of all consenting agents to this plan at this time, each exactly once
// and no others. Code::denied names an agent whose consent is missing, has expired, lasts longer than a day
// or is to another plan. Code::unauthenticated names one whose signature is invalid. Code::malformed means
// that a consent does not belong here.
Status check_consents(const HandoverPlan& plan, const Sharing& now, const std::vector<Bytes>& consents,
                      std::int64_t now_ms);

// A plan that waits for an agent's operator. The agent writes it to its own folder.
struct PendingPlan {
  KeyId key_id;
  Digest plan_hash;
  std::uint32_t epoch;  // the plan's
  std::string client;   // who proposes it: a URI
  std::int64_t proposed_ms;
  std::string words;  // what the operator reads

  Bytes encode() const;
  static Result<PendingPlan> parse(ByteView encoded);
};

// The operator's approval of that plan.
struct OperatorApproval {
  KeyId key_id;
  Digest plan_hash;
  std::int64_t not_after_ms;

  Bytes encode() const;
  static Result<OperatorApproval> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
