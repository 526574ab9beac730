#include "protocol/threshold/partial.h"

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/batch.h"
#include "protocol/threshold/shamir.h"
#include "protocol/threshold/transcript.h"

namespace coprotect::protocol {
namespace {

// c of SPEC.md §3.2, for one item.
Challenge challenge(const Digest& context, const Element& public_share, const Element& c1, const Element& k,
                    const Element& a, const Element& b) {
  return tagged_hash("CPV1-DLEQ", {context, public_share.encode(), c1.encode(), k.encode_secret().reveal(),
                                   a.encode(), b.encode()});
}

// κ. If the generator repeats itself, the share and the statement still make it unpredictable and different
// for each statement. Context, share and bases determine the rest of the statement.
Scalar hedged_nonce(const Scalar& share, std::span<const Element> bases, const Digest& context,
                    Random& random) {
  const Group& group = bases.front().group();
  Secret fresh(32);
  random.fill(fresh.fill());
  Transcript transcript(fresh.size() + group.scalar_size() + context.size() +
                        bases.size() * group.element_size());
  transcript.add(fresh.reveal()).add(share.bytes().reveal()).add(context);
  for (const Element& base : bases) transcript.add(base.encode());
  Scalar nonce = group.hash_to_scalar(transcript.reveal(), "CPV1-NONCE");
  invariant(!nonce.is_zero());
  return nonce;
}

DleqProof prove_one(const Scalar& share, const Element& public_share, const Element& c1, const Element& k,
                    const Digest& context, const Scalar& nonce) {
  const Group& group = public_share.group();
  const Element a = group.generator_power_secret(nonce);
  const Element b = group.power_secret(c1, nonce);
  const Challenge c = challenge(context, public_share, c1, k, a, b);
  return {.c = c, .z = nonce - Scalar::reduce(group.scalars(), c) * share};
}

bool verify_one(const Element& public_share, const Element& c1, const Element& k, const DleqProof& proof,
                const Digest& context) {
  const Group& group = public_share.group();
  const ByteView z = proof.z.bytes().reveal();
  const Element a = group.generator().power_times_power(z, public_share, proof.c);
  const std::vector<Element> bases = {c1, k};
  const std::vector<Bytes> exponents = {{z.begin(), z.end()}, {proof.c.begin(), proof.c.end()}};
  const Element b = group.product_of_powers_public(bases, exponents);
  return !a.is_identity() && !b.is_identity() && challenge(context, public_share, c1, k, a, b) == proof.c;
}

// ∏ k_i^{λ_i} as a fraction. For most quorums λ is a small integer, but often negative and therefore long mod
// q. Negative ones go into the denominator.
struct Fraction {
  Element above;
  Element below;
};

Result<Fraction> interpolate(std::span<const IndexedPartial> partials) {
  if (partials.empty()) return Error(Code::malformed, "quorum: no partial decryptions");
  const Group& group = partials.front().value.group();
  std::vector<std::uint8_t> indices;
  for (const IndexedPartial& partial : partials) {
    if (&partial.value.group() != &group)
      return Error(Code::malformed, "partial decryption: of another suite");
    indices.push_back(partial.index);
  }
  std::vector<Element> above, below;
  std::vector<Bytes> above_exponents, below_exponents;
  const Scalar zero = Scalar::from_u64(group.scalars(), 0);
  for (const IndexedPartial& partial : partials) {
    const auto lambda = lagrange_at_zero(group, indices, partial.index);
    if (!lambda) return lambda.error();
    const Scalar negated = zero - *lambda;
    const auto shortened = [](const Scalar& x) {
      const ByteView bytes = x.bytes().reveal();
      return Bytes(std::find_if(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b != 0; }),
                   bytes.end());
    };
    Bytes positive = shortened(*lambda);
    Bytes negative = shortened(negated);
    if (positive.size() <= negative.size()) {
      above.push_back(partial.value);
      above_exponents.push_back(std::move(positive));
    } else {
      below.push_back(partial.value);
      below_exponents.push_back(std::move(negative));
    }
  }
  return Fraction{.above = group.product_of_powers_public(above, above_exponents),
                  .below = group.product_of_powers_public(below, below_exponents)};
}

Result<Element> not_identity(Element combined) {
  if (combined.is_identity())
    return Error(Code::malformed, "partial decryptions: they combine to the identity");
  return combined;
}

}  // namespace

Digest partial_context(SuiteId suite, const Digest& key_id, std::uint32_t epoch, std::uint8_t index,
                       const Digest& request_hash) {
  Writer suite_bytes;
  suite_bytes.u16(static_cast<std::uint16_t>(suite));
  Writer epoch_bytes;
  epoch_bytes.u32(epoch);
  return tagged_hash("CPV1-PARTIAL",
                     {suite_bytes.view(), key_id, epoch_bytes.view(), ByteView(&index, 1), request_hash});
}

PartialSet compute_partials(const Scalar& share, const Element& public_share, std::span<const Element> bases,
                            const Digest& context, Random& random) {
  return *compute_partials(share, public_share, bases, context, random, Interest());
}

Result<PartialSet> compute_partials(const Scalar& share, const Element& public_share,
                                    std::span<const Element> bases, const Digest& context, Random& random,
                                    const Interest& interest) {
  invariant(!bases.empty());
  const Group& group = public_share.group();
  std::vector<Element> values;
  values.reserve(bases.size());
  for (const Element& base : bases) {
    if (auto wanted = interest.check(values.size(), bases.size()); !wanted) return std::move(wanted).error();
    values.push_back(group.power_secret(base, share));
  }
  const Scalar nonce = hedged_nonce(share, bases, context, random);
  DleqProof proof = bases.size() == 1
                        ? prove_one(share, public_share, bases.front(), values.front(), context, nonce)
                        : prove_batch(share, public_share, bases, values, context, nonce);
  return PartialSet{.values = std::move(values), .proof = std::move(proof)};
}

Status verify_partials(const Element& public_share, std::span<const Element> bases, const PartialSet& set,
                       const Digest& context) {
  const Group& group = public_share.group();
  const auto is_member = [&group](const Element& e) { return &e.group() == &group && !e.is_identity(); };
  const bool well_formed = !bases.empty() && set.values.size() == bases.size() &&
                           &set.proof.z.field() == &group.scalars() &&
                           std::all_of(bases.begin(), bases.end(), is_member) &&
                           std::all_of(set.values.begin(), set.values.end(), is_member);
  const auto holds = [&] {
    return bases.size() == 1 ? verify_one(public_share, bases.front(), set.values.front(), set.proof, context)
                             : verify_batch(public_share, bases, set.values, set.proof, context);
  };
  if (!well_formed || !holds()) return Error(Code::bad_proof, "partial decryption: its proof does not hold");
  return Done{};
}

Result<Element> combine(const Element& c2, std::span<const IndexedPartial> partials) {
  const auto power = interpolate(partials);
  if (!power) return power.error();
  const Group& group = c2.group();
  if (&power->above.group() != &group) return Error(Code::malformed, "partial decryption: of another suite");
  return not_identity(group.divide_secret(group.multiply_secret(c2, power->below), power->above));
}

Result<Element> combine(std::span<const IndexedPartial> partials) {
  const auto power = interpolate(partials);
  if (!power) return power.error();
  const Group& group = power->above.group();
  return not_identity(group.divide_secret(power->above, power->below));
}

}  // namespace coprotect::protocol
