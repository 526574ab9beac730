#pragma once

#include <vector>

#include "protocol/dkg/ceremony_message.h"
#include "protocol/dkg/sharing.h"
#include "protocol/threshold/shamir.h"
#include "protocol/threshold/tdh2.h"

namespace coprotect::protocol {

// A party's round-2 body, opened.
struct Reveal {
  std::vector<Element> commitments;  // A_0 … A_{t−1}
  Element pop_r;
  Scalar pop_z;
  ByteArray<32> rho;

  // Code::malformed unless there are exactly t commitments, elements other than the identity, and a scalar.
  static Result<Reveal> parse(ByteView body, const Parameters& parameters);
  Bytes encode() const;
};
// What a party reveals about its polynomial: commitments, a proof that it knows a_0, a fresh ρ.
Reveal make_reveal(const Parameters& parameters, std::uint8_t sender, const Polynomial& polynomial,
                   Random& random);
// The round-1 body that a reveal opens.
Digest commitment_of(const Sid& sid, std::uint8_t sender, const Reveal& reveal);
// Code::bad_proof unless the sender proved, for this ceremony, that it knows the logarithm of its A_0.
Status check_possession(const Parameters& parameters, std::uint8_t sender, const Reveal& reveal);
// The statement of one sender's recovery part. The parameters must have a recovery party.
RecoveryStatement recovery_statement(const Parameters& parameters, std::uint8_t sender,
                                     std::vector<Element> commitments);
// Opens every party's round 2 and checks it against that party's round 1 and against the other parties
// (SPEC.md §5.2). In party order.
Result<std::vector<Reveal>> open_reveals(const Parameters& parameters, std::span<const Bytes> commit_bodies,
                                         std::span<const Bytes> reveal_bodies);

// The public outcome of rounds 1 to 3: everything about a key that is not secret. Each party makes it at the
// end of round 3, and every reader of a bundle makes it again.
class PublicTranscript {
 public:
  struct PartyRounds {
    Bytes commit_body;
    Bytes reveal_body;
    Digest deal_hash;  // SHA-256 of the round-3 body
  };
  // Checks commitments, proofs of possession, distinct A_0 and identities. Computes h, h_j and key_id.
  // `rounds` is in party order. `parts_hash` is RecoveryParts::hash(), or zeros if there is no recovery
  // party. Errors name the party.
  static Result<PublicTranscript> make(Parameters parameters, std::vector<PartyRounds> rounds,
                                       const Digest& parts_hash);

  const Parameters& parameters() const { return parameters_; }
  const std::vector<PartyRounds>& rounds() const { return rounds_; }
  const Element& h() const { return h_; }
  const Element& public_share(std::uint8_t index) const { return public_shares_[index - 1u]; }
  const KeyId& key_id() const { return key_id_; }
  const Digest& parts_hash() const { return parts_hash_; }
  // The body of round 4, which a party signs to confirm the transcript.
  Bytes confirm_body() const;
  // The key in epoch 0.
  Sharing sharing() const;

 private:
  PublicTranscript(Parameters parameters, std::vector<PartyRounds> rounds, Element h,
                   std::vector<Element> public_shares, const KeyId& key_id, const Digest& parts_hash,
                   std::vector<std::vector<Element>> commitments)
      : parameters_(std::move(parameters)),
        rounds_(std::move(rounds)),
        h_(std::move(h)),
        public_shares_(std::move(public_shares)),
        key_id_(key_id),
        parts_hash_(parts_hash),
        commitments_(std::move(commitments)) {}
  Parameters parameters_;
  std::vector<PartyRounds> rounds_;
  Element h_;
  std::vector<Element> public_shares_;
  KeyId key_id_;
  Digest parts_hash_;
  std::vector<std::vector<Element>> commitments_;  // by party
};

}  // namespace coprotect::protocol
