#include "protocol/threshold/partial.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/crypto/hash.h"
#include "protocol/testdata/vectors.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

class StuckRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), std::uint8_t{0x5a}); }
};

struct PartialTest : testing::TestWithParam<SuiteId> {
  const Group& group = group_of(GetParam());
  Polynomial f = Polynomial::random(group, 2, system_random());
  PublicKey key = *PublicKey::make(f.commitments().front());
  Digest context = partial_context(GetParam(), sha256(bytes_of("key")), 0, 1, sha256(bytes_of("request")));

  Element public_share(std::uint8_t i) const { return committed_value(f.commitments(), i); }
  Element other() const { return group.random_message(system_random()); }
  Scalar one() const { return Scalar::from_u64(group.scalars(), 1); }
  std::vector<Element> bases(std::size_t count) const {
    std::vector<Element> result;
    for (std::size_t i = 0; i < count; ++i) result.push_back(other());
    return result;
  }
  PartialSet compute(std::uint8_t i, std::span<const Element> c1) const {
    return compute_partials(f.at(i), public_share(i), c1, context, system_random());
  }
  static PartialSet copy(const PartialSet& set) {
    return {.values = set.values, .proof = {.c = set.proof.c, .z = set.proof.z.clone()}};
  }
  void refuses(const Element& h, std::span<const Element> c1, const PartialSet& set, const Digest& x) const {
    const Status status = verify_partials(h, c1, set, x);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), Code::bad_proof);
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, PartialTest, testing::ValuesIn(kAllSuites),
                         [](const testing::TestParamInfo<SuiteId>& i) {
                           return std::string(suite_name(i.param));
                         });

TEST_P(PartialTest, EveryQuorumDecrypts) {
  const Element m = other();
  const Ciphertext ciphertext = encrypt(key, m, context, system_random());
  const std::vector<Element> c1 = {ciphertext.c1};
  const auto partial = [&](std::uint8_t i) {
    PartialSet set = compute(i, c1);
    EXPECT_TRUE(verify_partials(public_share(i), c1, set, context));
    return IndexedPartial{.index = i, .value = set.values.front()};
  };
  const IndexedPartial k1 = partial(1), k2 = partial(2), k3 = partial(3);
  for (const auto& quorum : {std::vector{k1, k2}, {k2, k1}, {k2, k3}, {k1, k3}, {k1, k2, k3}})
    EXPECT_TRUE(*combine(ciphertext.c2, quorum) == m);
  EXPECT_FALSE(*combine(ciphertext.c2, std::vector{k1}) == m);
  // A partial of the wrong party.
  EXPECT_FALSE(*combine(ciphertext.c2, std::vector{k1, IndexedPartial{2, k3.value}}) == m);
}

TEST_P(PartialTest, EveryQuorumDerives) {
  // What somebody with the private key y of a value g^y knows without asking: h^y.
  const Scalar y = group.hash_to_scalar(context, "test");
  const std::vector<Element> peer = {group.generator_power_secret(y)};
  const Element expected = group.power_secret(key.h(), y);
  const auto partial = [&](std::uint8_t i) {
    return IndexedPartial{.index = i, .value = compute(i, peer).values.front()};
  };
  const IndexedPartial k1 = partial(1), k2 = partial(2), k3 = partial(3);
  for (const auto& quorum : {std::vector{k1, k2}, {k2, k1}, {k2, k3}, {k1, k3}, {k1, k2, k3}})
    EXPECT_TRUE(*combine(quorum) == expected);
  EXPECT_FALSE(*combine(std::vector{k1}) == expected);
  EXPECT_FALSE(*combine(std::vector{k1, IndexedPartial{2, k3.value}}) == expected);
}

TEST_P(PartialTest, CombineRefusesBadSets) {
  const Element c2 = other();
  const auto refused = [&](const std::vector<IndexedPartial>& set) {
    EXPECT_EQ(combine(c2, set).error().code(), Code::malformed);
    if (set.size() == 1) return;  // one value alone is a quorum of one
    EXPECT_EQ(combine(set).error().code(), Code::malformed);
  };
  refused({});
  refused({{1, other()}, {1, other()}});
  refused({{0, other()}, {1, other()}});
  const Group& another = group_of(GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256);
  refused({{1, another.random_message(system_random())}, {2, other()}});
  std::vector<IndexedPartial> many;
  for (std::uint8_t i = 1; i <= kMaxShares + 1; ++i) many.push_back({i, c2});
  refused(many);
  refused({{1, c2}});  // c2 / c2
}

TEST_P(PartialTest, BatchesOfSeveralSizesHold) {
  for (const std::size_t count : {1u, 2u, 5u}) {
    const auto c1 = bases(count);
    const PartialSet set = compute(1, c1);
    ASSERT_EQ(set.values.size(), count);
    EXPECT_TRUE(set.values.back() == group.power_secret(c1.back(), f.at(1)));
    EXPECT_TRUE(verify_partials(public_share(1), c1, set, context));
  }
}

TEST_P(PartialTest, RefusesEveryChange) {
  for (const std::size_t count : {1u, 3u}) {
    const auto c1 = bases(count);
    const PartialSet set = compute(1, c1);
    refuses(public_share(2), c1, set, context);
    refuses(other(), c1, set, context);
    auto changed_bases = c1;
    changed_bases.back() = other();
    refuses(public_share(1), changed_bases, set, context);
    PartialSet changed = copy(set);
    changed.values.back() = other();
    refuses(public_share(1), c1, changed, context);
    changed = copy(set);
    changed.values.back() = group.multiply(changed.values.back(), group.generator().base());
    refuses(public_share(1), c1, changed, context);
    for (const std::size_t byte : {0u, 31u}) {
      changed = copy(set);
      changed.proof.c[byte] ^= 1;
      refuses(public_share(1), c1, changed, context);
    }
    changed = copy(set);
    changed.proof.z = changed.proof.z + one();
    refuses(public_share(1), c1, changed, context);
    Digest other_context = context;
    other_context[31] ^= 1;
    refuses(public_share(1), c1, set, other_context);
  }
}

TEST_P(PartialTest, RefusesOtherNumbersAndOrdersOfItems) {
  const auto c1 = bases(3);
  const PartialSet set = compute(1, c1);
  refuses(public_share(1), std::span(c1).first(2), set, context);
  refuses(public_share(1), {}, set, context);
  PartialSet changed = copy(set);
  changed.values.pop_back();
  refuses(public_share(1), c1, changed, context);
  refuses(public_share(1), std::span(c1).first(2), changed, context);
  changed = copy(set);
  std::swap(changed.values[0], changed.values[1]);
  refuses(public_share(1), c1, changed, context);
  auto swapped = c1;
  std::swap(swapped[0], swapped[1]);
  refuses(public_share(1), swapped, changed, context);  // right values, but not as they were asked
  // Two wrong values whose errors cancel in an unweighted product.
  changed = copy(set);
  changed.values[0] = group.multiply(changed.values[0], c1[2]);
  changed.values[1] = group.multiply(changed.values[1], group.invert(c1[2]));
  refuses(public_share(1), c1, changed, context);
}

TEST_P(PartialTest, RefusesTheIdentityAndOtherGroups) {
  const auto c1 = bases(1);
  PartialSet set = compute(1, c1);
  set.values.front() = group.identity();
  refuses(public_share(1), c1, set, context);
  const Group& another = group_of(GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256);
  set.values.front() = another.random_message(system_random());
  refuses(public_share(1), c1, set, context);
  set = compute(1, c1);
  set.proof.z = Scalar::from_u64(another.scalars(), 7);
  refuses(public_share(1), c1, set, context);
}

// a and b become the identity for c = 0 and z = 0, and b also for a base chosen to that end.
TEST_P(PartialTest, RefusesCommitmentsThatAreTheIdentity) {
  const PartialSet nothing = {.values = {other()},
                              .proof = {.c = {}, .z = Scalar::from_u64(group.scalars(), 0)}};
  refuses(public_share(1), bases(1), nothing, context);
  const PartialSet two = {.values = {other(), other()},
                          .proof = {.c = {}, .z = Scalar::from_u64(group.scalars(), 0)}};
  refuses(public_share(1), bases(2), two, context);
}

// With a hash that left out the base, or the public share, a forger would first fix a, b and k, and then
// solve the equations for what was left out.
TEST_P(PartialTest, RefusesAShareForgedByChoosingTheBaseLast) {
  const Element h1 = public_share(1);
  const Element k = other(), b = other(), placeholder = other();
  const Scalar alpha = Scalar::random(group.scalars(), system_random());
  const Challenge c = tagged_hash(
      "CPV1-DLEQ", {context, h1.encode(), placeholder.encode(), k.encode(),
                    group.multiply(group.generator_power_secret(alpha), h1).encode(), b.encode()});
  const Scalar z = Scalar::random(group.scalars(), system_random());
  // b = c1^z·k^c for c1 = (b·k^−c)^(1/z)
  const Element c1 =
      group.power_secret(group.multiply(b, group.invert(group.power_public(k, c))), z.inverse());
  EXPECT_TRUE(group.multiply(group.power_secret(c1, z), group.power_public(k, c)) == b);
  const PartialSet forged = {.values = {k}, .proof = {.c = c, .z = z.clone()}};
  refuses(h1, std::vector{c1}, forged, context);
  // Likewise h_i = (a·g^−z)^(1/c), for a base whose logarithm to g the forger knows.
  const Element a = other();
  const Element h = group.power_secret(group.multiply(a, group.invert(group.generator_power_secret(z))),
                                       Scalar::reduce(group.scalars(), c).inverse());
  EXPECT_TRUE(group.generator().power_times_power(z.bytes().reveal(), h, c) == a);
  refuses(h, std::vector{c1}, forged, context);
}

TEST_P(PartialTest, ContextBindsEveryField) {
  const Digest id = sha256(bytes_of("key")), request = sha256(bytes_of("request"));
  EXPECT_EQ(partial_context(GetParam(), id, 0, 1, request), context);
  EXPECT_NE(partial_context(GetParam(), request, 0, 1, request), context);
  EXPECT_NE(partial_context(GetParam(), id, 1, 1, request), context);
  EXPECT_NE(partial_context(GetParam(), id, 0, 2, request), context);
  EXPECT_NE(partial_context(GetParam(), id, 0, 1, id), context);
  EXPECT_NE(partial_context(GetParam(), request, 0, 1, id), context);
  const SuiteId another = GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256;
  EXPECT_NE(partial_context(another, id, 0, 1, request), context);
  // An epoch's last byte is not the index.
  EXPECT_NE(partial_context(GetParam(), id, 0x0102, 3, request),
            partial_context(GetParam(), id, 0x01, 2, request));
}

// Two proofs with one nonce would give the share away: s = (z − z') / (c' − c).
TEST_P(PartialTest, AStuckGeneratorDoesNotRepeatANonce) {
  StuckRandom stuck;
  const Scalar s = f.at(1);
  const auto nonce = [&](std::span<const Element> c1, const Digest& x, const Scalar& share) {
    const PartialSet set = compute_partials(share, group.generator_power_secret(share), c1, x, stuck);
    EXPECT_TRUE(verify_partials(group.generator_power_secret(share), c1, set, x));
    return set.proof.z + Scalar::reduce(group.scalars(), set.proof.c) * share;
  };
  for (const std::size_t count : {1u, 2u}) {
    const auto c1 = bases(count);
    const Scalar first = nonce(c1, context, s);
    EXPECT_TRUE(first == nonce(c1, context, s));
    EXPECT_FALSE(first == nonce(c1, sha256(context), s));
    EXPECT_FALSE(first == nonce(bases(count), context, s));
    EXPECT_FALSE(first == nonce(c1, context, f.at(2)));
  }
}

TEST(Batch, ProofsOfRfc9497) {
  const Group& group = group_of(SuiteId::p256);
  const std::string context = std::string("OPRFV1-\x01") + "-P256-SHA256";
  for (const auto& vector : testdata::read_vectors("rfc9497_p256.vec")) {
    const auto elements = [&](const std::string& name) {
      const Bytes bytes = vector.hex(name);
      std::vector<Element> result;
      for (std::size_t at = 0; at < bytes.size(); at += group.element_size())
        result.push_back(*group.parse(ByteView(bytes).subspan(at, group.element_size())));
      return result;
    };
    const Scalar k = *Scalar::parse(group.scalars(), vector.hex("skSm"));
    const Scalar r = *Scalar::parse(group.scalars(), vector.hex("ProofRandomScalar"));
    const Element b = *group.parse(vector.hex("pkSm"));
    const auto c = elements("BlindedElement");
    const auto d = elements("EvaluationElement");
    EXPECT_TRUE(b == group.generator_power_secret(k));
    EXPECT_TRUE(d.front() == group.power_secret(c.front(), k));
    const DleqProof proof = prove_batch(k, b, c, d, bytes_of(context), r);
    EXPECT_EQ(to_hex(proof.c) + to_hex(proof.z.bytes().reveal()), vector.text("Proof")) << vector.where();
    EXPECT_TRUE(verify_batch(b, c, d, proof, bytes_of(context)));
    EXPECT_FALSE(verify_batch(b, c, d, proof, bytes_of("OPRFV1-")));
    EXPECT_FALSE(verify_batch(b, d, c, proof, bytes_of(context)));
  }
}

}  // namespace
}  // namespace coprotect::protocol
