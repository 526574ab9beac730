#include "protocol/threshold/partial.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <unordered_map>

#include "protocol/crypto/hash.h"
#include "protocol/threshold/batch.h"
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
  // What a party with the private key y of a value g^y knows without asking: h^y.
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

// a and b become the identity for c = 0 and z = 0. b also does for a base chosen for that.
TEST_P(PartialTest, RefusesCommitmentsThatAreTheIdentity) {
  const PartialSet nothing = {.values = {other()},
                              .proof = {.c = {}, .z = Scalar::from_u64(group.scalars(), 0)}};
  refuses(public_share(1), bases(1), nothing, context);
  const PartialSet two = {.values = {other(), other()},
                          .proof = {.c = {}, .z = Scalar::from_u64(group.scalars(), 0)}};
  refuses(public_share(1), bases(2), two, context);
}

// If the hash left out the base or the public share, a forger could first fix a, b and k, and then solve the
// equations for the missing value.
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

TEST_P(PartialTest, NothingIsGivenToSomebodyWhoHasGone) {
  Interest caller;
  const auto c1 = bases(3);
  EXPECT_TRUE(compute_partials(f.at(1), public_share(1), c1, context, system_random(), caller));
  caller.give_up();
  const auto gone = compute_partials(f.at(1), public_share(1), c1, context, system_random(), caller);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Code::unavailable);
}

// Between two items, not only before the first.
TEST_P(PartialTest, EndsBetweenTwoItems) {
  Interest caller;
  const std::vector<Element> c1(100'000, bases(1).front());
  const std::jthread client([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    caller.give_up();
  });
  const auto gone = compute_partials(f.at(1), public_share(1), c1, context, system_random(), caller);
  ASSERT_FALSE(gone);
  const std::string& message = gone.error().message();
  EXPECT_TRUE(message.ends_with(" of 100000 items: the caller has gone")) << message;
  EXPECT_FALSE(message.starts_with("given up after 0 ")) << message;
}

// Two proofs with one nonce would reveal the share: s = (z − z') / (c' − c).
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

// Every weight depends on the whole statement, so no item of a batch can be chosen after its weight is known.
TEST_P(PartialTest, EveryWeightChangesWithAnyPartOfTheStatement) {
  const auto c1 = bases(3);
  const auto k = compute(1, c1).values;
  const Element h1 = public_share(1);
  const auto before = batch_weights(context, h1, c1, k);
  const auto expect_all_changed = [&](const std::vector<Bytes>& after) {
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(after[i].size(), 32u);
      EXPECT_NE(after[i], before[i]) << "weight " << i;
    }
  };
  EXPECT_EQ(batch_weights(context, h1, c1, k), before);
  for (std::size_t i = 0; i < c1.size(); ++i) {
    auto changed = c1;
    changed[i] = other();
    expect_all_changed(batch_weights(context, h1, changed, k));
    changed = k;
    changed[i] = other();
    expect_all_changed(batch_weights(context, h1, c1, changed));
  }
  expect_all_changed(batch_weights(sha256(context), h1, c1, k));
  expect_all_changed(batch_weights(context, public_share(2), c1, k));
  auto swapped_bases = c1, swapped = k;
  std::swap(swapped_bases[0], swapped_bases[1]);
  std::swap(swapped[0], swapped[1]);
  expect_all_changed(batch_weights(context, h1, swapped_bases, swapped));
  expect_all_changed(batch_weights(context, h1, k, c1));
  const std::set<Bytes> different(before.begin(), before.end());
  EXPECT_EQ(different.size(), before.size());
}

// Wagner's attack on 12 bits of the real weights. For each item, the forger lists wrong values k·g^e with the
// weights that they get while the other items are honest. It picks one from each list so that the errors
// cancel. If each weight depended only on its own item, the product of the chosen batch would be right
// although all its values are wrong.
TEST_P(PartialTest, ValuesChosenOneByOneDoNotCancel) {
  constexpr std::size_t kItems = 4;
  constexpr std::int64_t kErrors = 40;
  const auto c1 = bases(kItems);
  const auto honest = compute(1, c1).values;
  const Element h1 = public_share(1);
  const Scalar share = f.at(1);
  const auto toy = [&](std::span<const Element> values) {
    std::vector<std::int64_t> weights;
    for (const Bytes& w : batch_weights(context, h1, c1, values))
      weights.push_back(std::int64_t{w[w.size() - 2] & 0xf} << 8 | w[w.size() - 1]);
    return weights;
  };
  // The errors of the first two items are g^e, those of the last two g^-e.
  std::vector<std::vector<Element>> wrong(kItems);
  std::vector<std::vector<std::int64_t>> weighted(kItems);
  for (std::size_t i = 0; i < kItems; ++i) {
    const Element step = i < 2 ? group.generator().base() : group.invert(group.generator().base());
    std::vector<Element> values = honest;
    for (std::int64_t e = 1; e <= kErrors; ++e) {
      values[i] = group.multiply(values[i], step);
      wrong[i].push_back(values[i]);
      weighted[i].push_back(e * toy(values)[i]);
    }
  }
  std::unordered_map<std::int64_t, std::pair<std::size_t, std::size_t>> sums;
  for (std::size_t a = 0; a < kErrors; ++a)
    for (std::size_t b = 0; b < kErrors; ++b) sums.try_emplace(weighted[0][a] + weighted[1][b], a, b);
  std::size_t found = 0;
  std::size_t cancelled = 0;
  for (std::size_t a = 0; a < kErrors; ++a) {
    for (std::size_t b = 0; b < kErrors && found < 8; ++b) {
      const auto match = sums.find(weighted[2][a] + weighted[3][b]);
      if (match == sums.end()) continue;
      ++found;
      const std::vector<Element> forged = {wrong[0][match->second.first], wrong[1][match->second.second],
                                           wrong[2][a], wrong[3][b]};
      std::vector<Bytes> exponents;
      for (const std::int64_t w : toy(forged))
        exponents.push_back({static_cast<std::uint8_t>(w >> 8), static_cast<std::uint8_t>(w)});
      const Element m = group.product_of_powers_public(c1, exponents);
      const Element z = group.product_of_powers_public(forged, exponents);
      if (z == group.power_secret(m, share)) ++cancelled;
    }
  }
  EXPECT_GE(found, 1u);
  EXPECT_EQ(cancelled, 0u);
}

}  // namespace
}  // namespace coprotect::protocol
