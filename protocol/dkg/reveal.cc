#include "protocol/base/reader.h"
#include "protocol/base/secret_writer.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/public_transcript.h"

namespace coprotect::protocol {
namespace {

Bytes encode_commitments(const std::vector<Element>& commitments) {
  Writer w;
  for (const Element& element : commitments) w.bytes(element.encode());
  return std::move(w).take();
}

// The challenge c of the proof of possession.
Digest possession_challenge(const Sid& sid, std::uint8_t sender, const std::vector<Element>& commitments,
                            const Element& r) {
  return tagged_hash("CPV1-POP",
                     {sid, ByteView(&sender, 1), sha256(encode_commitments(commitments)), r.encode()});
}

// κ, hedged as in SPEC.md §3.2: a stuck generator does not repeat it for another statement.
Scalar possession_nonce(const Group& group, const Scalar& a0, const Sid& sid, ByteView commitments,
                        Random& random) {
  ByteArray<32> fresh;
  random.fill(fresh);
  SecretWriter seed;
  seed.bytes(fresh).bytes(a0.bytes().reveal()).bytes(sid).bytes(commitments);
  return group.hash_to_scalar(seed.reveal(), "CPV1-NONCE");
}

}  // namespace

Result<Reveal> Reveal::parse(ByteView body, const Parameters& parameters) {
  const Group& group = parameters.group();
  const std::uint8_t t = parameters->t;
  Reader r(body);
  if (r.u8() != t) return Error(Code::malformed, "not " + std::to_string(t) + " commitments");
  if (r.size() != (t + 1u) * group.element_size() + group.scalar_size() + 32) {
    return Error(Code::malformed, "reveal has a wrong size for " + std::to_string(t) + " commitments");
  }
  std::vector<Element> commitments;
  for (std::size_t k = 0; k < t; ++k) {
    auto element = group.parse(*r.bytes(group.element_size()));
    if (!element) return std::move(element).error().in("commitment A_" + std::to_string(k));
    commitments.push_back(*std::move(element));
  }
  auto pop_r = group.parse(*r.bytes(group.element_size()));
  if (!pop_r) return std::move(pop_r).error().in("proof of possession");
  auto pop_z = Scalar::parse(group.scalars(), *r.bytes(group.scalar_size()));
  if (!pop_z) return std::move(pop_z).error().in("proof of possession");
  return Reveal{.commitments = std::move(commitments),
                .pop_r = *std::move(pop_r),
                .pop_z = *std::move(pop_z),
                .rho = *r.array<32>()};
}

Bytes Reveal::encode() const {
  Writer w;
  w.u8(static_cast<std::uint8_t>(commitments.size())).bytes(encode_commitments(commitments));
  w.bytes(pop_r.encode()).bytes(pop_z.bytes().reveal()).bytes(rho);
  return std::move(w).take();
}

Reveal make_reveal(const Parameters& parameters, std::uint8_t sender, const Polynomial& polynomial,
                   Random& random) {
  const Group& group = parameters.group();
  std::vector<Element> commitments = polynomial.commitments();
  const Scalar& a0 = polynomial.constant();
  const Scalar nonce = possession_nonce(group, a0, parameters.sid(), encode_commitments(commitments), random);
  Element r = group.generator_power_secret(nonce);
  const Digest challenge = possession_challenge(parameters.sid(), sender, commitments, r);
  Scalar z = nonce + Scalar::reduce(group.scalars(), challenge) * a0;
  Reveal reveal{
      .commitments = std::move(commitments), .pop_r = std::move(r), .pop_z = std::move(z), .rho = {}};
  random.fill(reveal.rho);
  return reveal;
}

Digest commitment_of(const Sid& sid, std::uint8_t sender, const Reveal& reveal) {
  Writer opened;
  opened.bytes(encode_commitments(reveal.commitments));
  opened.bytes(reveal.pop_r.encode()).bytes(reveal.pop_z.bytes().reveal());
  return tagged_hash("CPV1-COMMIT", {sid, ByteView(&sender, 1), sha256(opened.view()), reveal.rho});
}

Status check_possession(const Parameters& parameters, std::uint8_t sender, const Reveal& reveal) {
  const Element& a0 = reveal.commitments.front();
  const Digest challenge = possession_challenge(parameters.sid(), sender, reveal.commitments, reveal.pop_r);
  const FixedBase& g = parameters.group().generator();
  if (g.power_times_inverse_power(reveal.pop_z.bytes().reveal(), a0, challenge) != reveal.pop_r) {
    return Error(Code::bad_proof, "proof of possession does not hold");
  }
  return Done{};
}

Result<std::vector<Reveal>> open_reveals(const Parameters& parameters, std::span<const Bytes> commit_bodies,
                                         std::span<const Bytes> reveal_bodies) {
  const std::vector<Party>& parties = parameters->parties;
  invariant(commit_bodies.size() == parties.size() && reveal_bodies.size() == parties.size());
  std::vector<Reveal> reveals;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    const auto sender = static_cast<std::uint8_t>(i);
    const std::string who = party_label(parties[i]);
    auto reveal = Reveal::parse(reveal_bodies[i], parameters);
    if (!reveal) return std::move(reveal).error().in(who);
    const Digest commitment = commitment_of(parameters.sid(), sender, *reveal);
    if (!std::ranges::equal(commit_bodies[i], commitment)) {
      return Error(Code::bad_proof, who + ": reveal does not open the commitment");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (reveals[j].commitments.front() == reveal->commitments.front()) {
        return Error(Code::bad_proof, who + ": A_0 is also that of " + party_label(parties[j]));
      }
    }
    if (auto checked = check_possession(parameters, sender, *reveal); !checked) {
      return std::move(checked).error().in(who);
    }
    reveals.push_back(*std::move(reveal));
  }
  return reveals;
}

}  // namespace coprotect::protocol
