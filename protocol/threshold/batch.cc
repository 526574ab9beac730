#include "protocol/threshold/batch.h"

#include "protocol/base/declassify.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/transcript.h"

namespace coprotect::protocol {
namespace {

// Bytes of a weight in a MODP suite, whose scalars are much longer. With 256 bits, each statement that a
// forger tries succeeds with probability 2^-256.
constexpr std::size_t kShortWeight = 32;

// SHA-256 of the concatenated encodings. In locked memory, because partial decryptions are secret.
Digest hash_all(std::span<const Element> elements) {
  Transcript transcript(elements.size() * elements.front().group().element_size());
  for (const Element& element : elements) transcript.add(element.encode_secret().reveal());
  return sha256(transcript.reveal());
}

Digest seed_of(const Digest& context, const Element& public_share, std::span<const Element> bases,
               std::span<const Element> values) {
  // A hash of the k_i reveals nothing about them: the verifier computes it too.
  return declassified(
      tagged_hash("CPV1-DLEQ-SEED", {context, public_share.encode(), hash_all(bases), hash_all(values)}));
}

std::vector<Bytes> weights_of(const Digest& seed, const Group& group, std::size_t count) {
  constexpr std::string_view kTag = "CPV1-DLEQ-WEIGHT";
  std::vector<Bytes> weights;
  for (std::size_t i = 0; i < count; ++i) {
    Writer message;
    message.bytes(seed).u16(static_cast<std::uint16_t>(i));
    const Secret weight = group.suite() == SuiteId::p256
                              ? group.hash_to_scalar(message.view(), kTag).bytes().clone()
                              : expand_message_xmd(message.view(), bytes_of(kTag), kShortWeight);
    weights.emplace_back(weight.reveal().begin(), weight.reveal().end());
  }
  return weights;
}

Challenge batch_challenge(const Digest& seed, const Element& public_share, const Element& m, const Element& z,
                          const Element& a, const Element& b) {
  return tagged_hash("CPV1-DLEQ-BATCH", {seed, public_share.encode(), m.encode(), z.encode_secret().reveal(),
                                         a.encode(), b.encode()});
}

}  // namespace

std::vector<Bytes> batch_weights(const Digest& context, const Element& public_share,
                                 std::span<const Element> bases, std::span<const Element> values) {
  return weights_of(seed_of(context, public_share, bases, values), public_share.group(), bases.size());
}

DleqProof prove_batch(const Scalar& share, const Element& public_share, std::span<const Element> bases,
                      std::span<const Element> values, const Digest& context, const Scalar& nonce) {
  invariant(bases.size() == values.size() && bases.size() >= 2);
  const Group& group = public_share.group();
  const Digest seed = seed_of(context, public_share, bases, values);
  const Element m = group.product_of_powers_public(bases, weights_of(seed, group, bases.size()));
  const Element z = group.power_secret(m, share);  // ∏ k_i^{d_i}, in one power
  const Element a = group.generator_power_secret(nonce);
  const Element b = group.power_secret(m, nonce);
  const Challenge c = batch_challenge(seed, public_share, m, z, a, b);
  return {.c = c, .z = nonce - Scalar::reduce(group.scalars(), c) * share};
}

bool verify_batch(const Element& public_share, std::span<const Element> bases,
                  std::span<const Element> values, const DleqProof& proof, const Digest& context) {
  if (bases.size() != values.size() || bases.size() < 2) return false;
  const Group& group = public_share.group();
  const Digest seed = seed_of(context, public_share, bases, values);
  const std::vector<Bytes> weights = weights_of(seed, group, bases.size());
  const Element m = group.product_of_powers_public(bases, weights);
  const Element z = group.product_of_powers_public(values, weights);
  const ByteView s = proof.z.bytes().reveal();
  const Element a = group.generator().power_times_power(s, public_share, proof.c);
  const std::vector<Element> composites = {m, z};
  const std::vector<Bytes> exponents = {{s.begin(), s.end()}, {proof.c.begin(), proof.c.end()}};
  const Element b = group.product_of_powers_public(composites, exponents);
  // A forger may produce the identity, which has no encoding.
  for (const Element* const e : {&m, &z, &a, &b})
    if (e->is_identity()) return false;
  return batch_challenge(seed, public_share, m, z, a, b) == proof.c;
}

}  // namespace coprotect::protocol
