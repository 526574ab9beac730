#pragma once

#include "protocol/crypto/ecdsa.h"
#include "protocol/handover/deal.h"

namespace coprotect::protocol {

// The public outcome of a handover: the plan and every dealer's public part. Made by each party before it
// prepares, and again by every reader of a bundle.
class HandoverTranscript {
 public:
  // `deals` in the plan's order of dealers. Checks that the plan follows `now`, and every deal; computes the
  // new public shares.
  static Result<HandoverTranscript> make(const Sharing& now, const Digest& newest_hash, HandoverPlan plan,
                                         std::vector<PublicDeal> deals);
  // From body(), which is also what a version begins with.
  static Result<HandoverTranscript> parse(ByteView body, const Sharing& now, const Digest& newest_hash);

  // The key in the new epoch.
  const Sharing& sharing() const { return sharing_; }
  const HandoverPlan& plan() const { return plan_; }
  const Bytes& body() const { return body_; }
  // SHA-256 of it: what the version after this one names, whoever's signatures this one has.
  Digest hash() const;
  // Positions of the parties whose confirmations make a version of it: all agents of the new epoch, and the
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
  // The plan of an encoded version, of which nothing else is checked.
  static Result<HandoverPlan> plan_of(ByteView encoded);
  // The encoding, from the signers' confirmations in their order.
  static Bytes encode(const HandoverTranscript& transcript, std::span<const Signature> confirmations);
};

// The recovery parts, as each agent of the new epoch keeps them; every one is checked. `self` is the agent's
// position. Code::bad_proof names the dealer.
Result<RecoveryParts> receive_parts(const HandoverTranscript& transcript, std::span<const Deal> deals,
                                    std::size_t self, const HpkePrivateKey& key, Random& random);
// The share of one of its indices that an agent of the new epoch got. `deals` are the transcript's, whole.
// Code::bad_proof names the dealer.
Result<Scalar> receive_share(const HandoverTranscript& transcript, std::span<const Deal> deals,
                             std::uint8_t index, const HpkePrivateKey& key);

}  // namespace coprotect::protocol
