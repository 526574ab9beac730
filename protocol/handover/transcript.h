#pragma once

#include "protocol/crypto/ecdsa.h"
#include "protocol/handover/deal.h"

namespace coprotect::protocol {

// The public outcome of a handover: the plan and every dealer's public part. Each party makes it before it
// prepares, and every reader of a bundle makes it again.
class HandoverTranscript {
 public:
  // `deals` are in the plan's order of dealers. Checks that the plan follows `now`, and checks every deal.
  // Computes the new public shares.
  static Result<HandoverTranscript> make(const Sharing& now, const Digest& newest_hash, HandoverPlan plan,
                                         std::vector<PublicDeal> deals);
  // Parses body(), with which a version begins.
  static Result<HandoverTranscript> parse(ByteView body, const Sharing& now, const Digest& newest_hash);

  // The key in the new epoch.
  const Sharing& sharing() const { return sharing_; }
  const HandoverPlan& plan() const { return plan_; }
  const Bytes& body() const { return body_; }
  // SHA-256 of body(). The next version names it. It does not depend on who signed this one.
  Digest hash() const;
  // Positions of the parties whose confirmations complete a version: all agents of the new epoch, and the
  // recovery party if it gets a new key.
  std::vector<std::size_t> signers() const;

 private:
  HandoverTranscript(HandoverPlan plan, bool renews_code, Sharing sharing, Bytes body)
      : plan_(std::move(plan)),
        renews_code_(renews_code),
        sharing_(std::move(sharing)),
        body_(std::move(body)) {}
  HandoverPlan plan_;
  bool renews_code_;
  Sharing sharing_;
  Bytes body_;
};

// A transcript that every party of the new epoch confirmed (SPEC.md §13.4): one link of a bundle's chain.
struct HandoverVersion {
  HandoverTranscript transcript;
  Bytes encoded;

  // Code::unauthenticated names a party that did not sign.
  static Result<HandoverVersion> parse(ByteView encoded, const Sharing& now, const Digest& newest_hash);
  // The plan in an encoded version. Checks nothing else.
  static Result<HandoverPlan> plan_of(ByteView encoded);
  // Encodes a version. The confirmations are in the order of signers().
  static Bytes encode(const HandoverTranscript& transcript, std::span<const Signature> confirmations);
};

// The recovery parts as each agent of the new epoch keeps them. Checks every one. `self` is the agent's
// position. Code::bad_proof names the dealer.
Result<RecoveryParts> receive_parts(const HandoverTranscript& transcript, std::span<const Deal> deals,
                                    std::size_t self, const HpkePrivateKey& key, Random& random);
// The share that an agent of the new epoch received for one of its indices. `deals` are the transcript's,
// complete. Code::bad_proof names the dealer.
Result<Scalar> receive_share(const HandoverTranscript& transcript, std::span<const Deal> deals,
                             std::uint8_t index, const HpkePrivateKey& key);

}  // namespace coprotect::protocol
