#include "protocol/crypto/hash.h"
#include "protocol/threshold/partial.h"
#include "protocol/threshold/transcript.h"

// RFC 9497 §2.2. The RFC writes the group additively, and its A is the generator.

namespace coprotect::protocol {
namespace {

Secret hash_to_integer(ByteView msg, ByteView context_string, std::size_t size) {
  Bytes dst(context_string.begin(), context_string.end());
  const ByteView prefix = bytes_of("HashToScalar-");
  dst.insert(dst.begin(), prefix.begin(), prefix.end());
  return expand_message_xmd(msg, dst, size);
}

// HashToScalar(msg) for weights: 128 bits are enough for them, and a fraction of the work in a MODP suite
// (SPEC.md §3.2). Big-endian.
Bytes hash_to_weight(const Group& group, ByteView msg, ByteView context_string) {
  if (group.suite() != SuiteId::p256) {
    const Secret weight = hash_to_integer(msg, context_string, 16);
    return {weight.reveal().begin(), weight.reveal().end()};
  }
  const Scalar weight =
      Scalar::reduce(group.scalars(), hash_to_integer(msg, context_string, group.wide_size()).reveal());
  return {weight.bytes().reveal().begin(), weight.bytes().reveal().end()};
}

// HashToScalar(msg) for the challenge.
Challenge hash_to_challenge(const Group& group, ByteView msg, ByteView context_string) {
  const bool short_challenge = group.suite() != SuiteId::p256;
  const Secret wide = hash_to_integer(msg, context_string, short_challenge ? 32 : group.wide_size());
  const Secret bytes =
      short_challenge ? wide.clone() : Scalar::reduce(group.scalars(), wide.reveal()).bytes().clone();
  Challenge c{};
  invariant(bytes.size() == c.size());
  std::copy(bytes.reveal().begin(), bytes.reveal().end(), c.begin());
  return c;
}

// The weights d_i of §2.2.1 ComputeComposites.
std::vector<Bytes> weights(const Element& b, std::span<const Element> c, std::span<const Element> d,
                           ByteView context_string) {
  const Group& group = b.group();
  const std::size_t lp_element = 2 + group.element_size();
  const std::string seed_dst = "Seed-" + std::string(text_of(context_string));
  Transcript seed_transcript(lp_element + 2 + seed_dst.size());
  seed_transcript.add_lp(b.encode()).add_lp(bytes_of(seed_dst));
  const Digest seed = sha256(seed_transcript.reveal());

  std::vector<Bytes> weights;
  constexpr std::string_view kLabel = "Composite";
  for (std::size_t i = 0; i < c.size(); ++i) {
    Transcript transcript(2 + seed.size() + 2 + 2 * lp_element + kLabel.size());
    transcript.add_lp(seed).add_u16(i).add_lp(c[i].encode()).add_lp(d[i].encode_secret().reveal());
    transcript.add(bytes_of(kLabel));
    weights.push_back(hash_to_weight(group, transcript.reveal(), context_string));
  }
  return weights;
}

// c of §2.2.1 and §2.2.2.
Challenge challenge(const Element& b, const Element& m, const Element& z, const Element& t2,
                    const Element& t3, ByteView context_string) {
  constexpr std::string_view kLabel = "Challenge";
  Transcript transcript(5 * (2 + b.group().element_size()) + kLabel.size());
  for (const Element* const e : {&b, &m, &z, &t2, &t3}) transcript.add_lp(e->encode_secret().reveal());
  transcript.add(bytes_of(kLabel));
  return hash_to_challenge(b.group(), transcript.reveal(), context_string);
}

}  // namespace

DleqProof prove_batch(const Scalar& k, const Element& b, std::span<const Element> c,
                      std::span<const Element> d, ByteView context_string, const Scalar& r) {
  invariant(c.size() == d.size());
  const Group& group = b.group();
  const Element m = group.product_of_powers_public(c, weights(b, c, d, context_string));
  const Element z = group.power_secret(m, k);  // ComputeCompositesFast
  const Element t2 = group.generator_power_secret(r);
  const Element t3 = group.power_secret(m, r);
  const Challenge e = challenge(b, m, z, t2, t3, context_string);
  return {.c = e, .z = r - Scalar::reduce(group.scalars(), e) * k};
}

bool verify_batch(const Element& b, std::span<const Element> c, std::span<const Element> d,
                  const DleqProof& proof, ByteView context_string) {
  if (c.size() != d.size()) return false;
  const Group& group = b.group();
  const std::vector<Bytes> weight = weights(b, c, d, context_string);
  const Element m = group.product_of_powers_public(c, weight);
  const Element z = group.product_of_powers_public(d, weight);
  const ByteView s = proof.z.bytes().reveal();
  const Element t2 = group.generator().power_times_power(s, b, proof.c);
  const std::vector<Element> bases = {m, z};
  const std::vector<Bytes> exponents = {{s.begin(), s.end()}, {proof.c.begin(), proof.c.end()}};
  const Element t3 = group.product_of_powers_public(bases, exponents);
  // A forger may reach the identity, which has no encoding.
  for (const Element* const e : {&m, &z, &t2, &t3})
    if (e->is_identity()) return false;
  return challenge(b, m, z, t2, t3, context_string) == proof.c;
}

}  // namespace coprotect::protocol
