#include "protocol/dkg/public_transcript.h"

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

// H("CPV1-KEYID"; …). The number of parts depends only on the number of parties.
KeyId key_id_of(const Parameters& parameters, const std::vector<PublicTranscript::PartyRounds>& rounds) {
  Writer w;
  w.lp("CPV1-KEYID").lp(sha256(parameters.encoded()));
  for (const auto& party : rounds) {
    w.lp(sha256(party.commit_body)).lp(sha256(party.reveal_body)).lp(party.deal_hash);
  }
  return sha256(w.view());
}

// Commitments to f, the sum of all parties' polynomials.
std::vector<Element> sum_of_commitments(const Group& group, const std::vector<Reveal>& reveals) {
  std::vector<Element> sum = reveals.front().commitments;
  for (std::size_t i = 1; i < reveals.size(); ++i) {
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] = group.multiply(sum[k], reveals[i].commitments[k]);
  }
  return sum;
}

}  // namespace

Result<PublicTranscript> PublicTranscript::make(Parameters parameters, std::vector<PartyRounds> rounds,
                                                const Digest& parts_hash) {
  const std::vector<Party>& parties = parameters->parties;
  if (rounds.size() != parties.size()) {
    return Error(Code::malformed, "transcript: " + std::to_string(rounds.size()) + " parties instead of " +
                                      std::to_string(parties.size()));
  }
  std::vector<Bytes> commit_bodies;
  std::vector<Bytes> reveal_bodies;
  for (const PartyRounds& party : rounds) {
    commit_bodies.push_back(party.commit_body);
    reveal_bodies.push_back(party.reveal_body);
  }
  const auto reveals = open_reveals(parameters, commit_bodies, reveal_bodies);
  if (!reveals) return reveals.error();

  const std::vector<Element> sum = sum_of_commitments(parameters.group(), *reveals);
  if (sum.front().is_identity())
    return Error(Code::bad_proof, "transcript: the joint public key is the identity");
  if (sum.back().is_identity())
    return Error(Code::bad_proof, "transcript: the shares are of a lower threshold");
  std::vector<Element> public_shares;
  for (unsigned index = 1; index <= parameters->n; ++index) {
    public_shares.push_back(committed_value(sum, static_cast<std::uint8_t>(index)));
    if (public_shares.back().is_identity()) {
      return Error(Code::bad_proof, "transcript: public share " + std::to_string(index) + " is the identity");
    }
  }
  const KeyId key_id = key_id_of(parameters, rounds);
  std::vector<std::vector<Element>> commitments;
  for (const Reveal& reveal : *reveals) commitments.push_back(reveal.commitments);
  return PublicTranscript(std::move(parameters), std::move(rounds), sum.front(), std::move(public_shares),
                          key_id, parts_hash, std::move(commitments));
}

Bytes PublicTranscript::confirm_body() const {
  Writer w;
  w.bytes(key_id_).bytes(parts_hash_);
  return std::move(w).take();
}

RecoveryStatement recovery_statement(const Parameters& parameters, std::uint8_t sender,
                                     std::vector<Element> commitments) {
  const Party& recovery = parameters->parties[parameters.recovery_party().value()];
  return {.sid = parameters.sid(),
          .dealer = sender,
          .index = recovery.indices.front(),
          .recovery_key = recovery.ceremony_key,
          .commitments = std::move(commitments)};
}

Sharing PublicTranscript::sharing() const {
  Sharing sharing{key_id_, 0, parameters_.sid(), parameters_, h_, public_shares_};
  const auto recovery = parameters_.recovery_party();
  if (!recovery) return sharing;
  auto& dealing = sharing.recovery.emplace(RecoveryDealing{
      .index = parameters_->parties[*recovery].indices.front(), .parts_hash = parts_hash_, .statements = {}});
  for (std::size_t i = 0; i < commitments_.size(); ++i)
    dealing.statements.push_back(
        recovery_statement(parameters_, static_cast<std::uint8_t>(i), commitments_[i]));
  return sharing;
}

}  // namespace coprotect::protocol
