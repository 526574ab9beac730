// Parties of a handover that violate the protocol. Each is rejected and named.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>

#include "protocol/base/reader.h"
#include "protocol/crypto/hash.h"
#include "protocol/group/test_suites.h"
#include "protocol/handover/test_handover.h"

namespace coprotect::protocol {
namespace {

using test::default_layout;
using test::TestHandover;
using test::TestKey;

class MaliciousHandoverTest : public testing::TestWithParam<SuiteId> {
 protected:
  std::string why(const std::vector<Deal>& dealt) const {
    const auto made = handover.transcript(dealt);
    return made ? "" : made.error().message();
  }
  // The plan with something changed.
  Result<HandoverPlan> changed(void (*change)(HandoverPlan::Fields&)) const {
    HandoverPlan::Fields fields = handover.plan.fields();
    change(fields);
    return HandoverPlan::make(std::move(fields));
  }
  std::string why_not(const std::function<void(Parameters::Fields&)>& change) {
    Parameters::Fields parameters = handover.plan->parameters.fields();
    change(parameters);
    HandoverPlan::Fields fields = handover.plan.fields();
    fields.parameters = must(Parameters::make(std::move(parameters)));
    const auto plan = HandoverPlan::make(std::move(fields));
    if (!plan) return plan.error().message();
    const auto fits = plan->follows(key.bundle.sharing(), key.bundle.newest_hash());
    return fits ? "" : fits.error().message();
  }

  // The messages of honest parties, made once for each suite.
  struct Honest {
    explicit Honest(SuiteId suite) : key(TestKey::shared(suite)) {}
    TestKey key;
    TestHandover handover{key, default_layout(), {1, 2}};
    std::vector<Deal> deals = handover.deal();
  };
  static Honest& honest(SuiteId suite) {
    static std::map<SuiteId, std::unique_ptr<Honest>> made;
    auto& one = made[suite];
    if (!one) one = std::make_unique<Honest>(suite);
    return *one;
  }
  std::vector<Deal> copied_deals() const {
    std::vector<Deal> copies;
    for (const Deal& deal : honest(GetParam()).deals)
      copies.push_back(must(Deal::parse(deal.encode(), handover.plan)));
    return copies;
  }

  TestKey& key = honest(GetParam()).key;
  TestHandover& handover = honest(GetParam()).handover;
  std::vector<Deal> deals = copied_deals();
};
INSTANTIATE_TEST_SUITE_P(Suites, MaliciousHandoverTest, test::tested_suites(), test::suite_label);

TEST_P(MaliciousHandoverTest, ADealOfAnotherConstantIsRefused) {
  const Scalar other = Scalar::random(key.bundle.group().scalars(), system_random());
  deals[1] = must(make_deal(handover.plan, 2, other, system_random()));
  EXPECT_EQ(why(deals), "dealer of index 2: deals something else than its share of this epoch");
}

// Dealers that choose their polynomials together could make a key that claims to be 2 of 3, but that each
// share opens alone. λ of dealers 1 and 2 are 2 and −1.
TEST_P(MaliciousHandoverTest, SharesOfALowerThresholdAreRefused) {
  const Group& group = key.bundle.group();
  const Scalar a = Scalar::random(group.scalars(), system_random());
  const auto with_coefficient = [&](std::uint8_t index, const Scalar& coefficient) {
    PublicDeal open = must(PublicDeal::parse(deals[index - 1u].open.encode(), handover.plan));
    open.commitments = {key.bundle.public_share(index), group.generator_power_secret(coefficient)};
    Bytes joined;
    for (const Element& commitment : open.commitments)
      for (const std::uint8_t byte : commitment.encode()) joined.push_back(byte);
    const Scalar nonce = Scalar::random(group.scalars(), system_random());
    open.proof_r = group.generator_power_secret(nonce);
    const Digest c = tagged_hash("CPV1-HANDOVER", {handover.plan.sid(), ByteView(&index, 1), sha256(joined),
                                                   open.sealed_hash, open.part_hash, open.proof_r.encode()});
    open.proof_z = nonce + Scalar::reduce(group.scalars(), c) * key.shares.at(index);
    return open;
  };
  const auto transcript = [&](const Scalar& second) {
    std::vector<PublicDeal> open;
    open.push_back(with_coefficient(1, a));
    open.push_back(with_coefficient(2, second));
    const auto made = HandoverTranscript::make(key.bundle.sharing(), key.bundle.newest_hash(), handover.plan,
                                               std::move(open));
    return made ? "" : made.error().message();
  };
  EXPECT_EQ(transcript(a), "");
  EXPECT_EQ(transcript(a + a), "handover: the new shares are of a lower threshold");
}

TEST_P(MaliciousHandoverTest, ADealOfAnotherPlanIsRefused) {
  const TestHandover other(key, default_layout(), {1, 2});
  deals[0] = must(make_deal(other.plan, 1, key.shares.at(1), system_random()));
  EXPECT_EQ(why(deals), "dealer of index 1: the proof that it consents with its share does not hold");
}

TEST_P(MaliciousHandoverTest, OneWhoKnowsNoShareCannotConsentForAnother) {
  // The honest dealer's commitments, with a proof by another party.
  Deal forged = must(make_deal(handover.plan, 2, key.shares.at(3), system_random()));
  forged.open.commitments.front() = key.bundle.public_share(2);
  deals[1] = std::move(forged);
  EXPECT_EQ(why(deals), "dealer of index 2: the proof that it consents with its share does not hold");
}

TEST_P(MaliciousHandoverTest, ChangedCommitmentsOrSealedValuesAreNotConsentedTo) {
  Deal& deal = deals[0];
  const Element kept = deal.open.commitments[1];
  deal.open.commitments[1] = key.bundle.public_share(2);
  EXPECT_EQ(why(deals), "dealer of index 1: the proof that it consents with its share does not hold");
  deal.open.commitments[1] = kept;
  EXPECT_EQ(why(deals), "");
  deal.open.sealed_hash[0] ^= 1;
  EXPECT_EQ(why(deals), "dealer of index 1: the proof that it consents with its share does not hold");
}

TEST_P(MaliciousHandoverTest, SealedValuesThatWereChangedAreBlamedOnTheirDealer) {
  Bytes encoded = deals[0].encode();
  encoded.back() ^= 1;
  const auto parsed = Deal::parse(encoded, handover.plan);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message(), "dealer of index 1: its sealed values were changed");
}

TEST_P(MaliciousHandoverTest, ADealHasOneValueForEachIndex) {
  const auto parsed = [&](const auto& change) {
    Deal deal = must(Deal::parse(deals[0].encode(), handover.plan));
    change(deal.sealed);
    deal.open.sealed_hash = sha256(deal.sealed);
    return Deal::parse(deal.encode(), handover.plan);
  };
  EXPECT_TRUE(parsed([](Bytes&) {}));
  const auto fewer = parsed([](Bytes& sealed) {
    Reader r(sealed);
    invariant(r.lp4().has_value());
    sealed.erase(sealed.begin(), sealed.end() - static_cast<std::ptrdiff_t>(r.size()));
  });
  const auto more = parsed([](Bytes& sealed) { sealed.insert(sealed.end(), 4, 0); });  // an empty one
  for (const auto& refused : {&fewer, &more}) {
    ASSERT_FALSE(*refused);
    EXPECT_EQ(refused->error().code(), Code::malformed);
    EXPECT_EQ(refused->error().message(), "dealer of index 1: not one sealed value for each index");
  }
}

TEST_P(MaliciousHandoverTest, AValueThatDoesNotMatchIsBlamedOnItsDealer) {
  // The dealer commits to one polynomial and deals values of another.
  const Deal other = must(make_deal(handover.plan, 2, key.shares.at(2), system_random()));
  const auto made = must(handover.transcript(deals));
  deals[1].sealed = other.sealed;
  const auto share = handover.receive(made, deals, 1);
  ASSERT_FALSE(share);
  EXPECT_EQ(share.error().code(), Code::bad_proof);
  EXPECT_EQ(share.error().message(),
            "dealer of index 2: its value for index 1 does not match its commitments");
}

TEST_P(MaliciousHandoverTest, AValueForSomebodyElseCannotBeOpened) {
  const auto made = must(handover.transcript(deals));
  const auto share = receive_share(made, deals, 1, handover.ceremony_keys[1]);
  ASSERT_FALSE(share);
  EXPECT_EQ(share.error().message(), "dealer of index 1: its value for index 1 cannot be opened");
}

TEST_P(MaliciousHandoverTest, RecoveryPartsOfAnotherEpochAreRefused) {
  const auto made = must(handover.transcript(deals));
  const auto parts = must(handover.parts(made, deals));
  EXPECT_EQ(must(handover.parts(made, deals, 1)).encoded(), parts.encoded());
  EXPECT_TRUE(parts.check(made.sharing(), system_random()));
  EXPECT_TRUE(parts.open(key.recovery_key, made.sharing()));
  EXPECT_EQ(parts.check(key.bundle.sharing(), system_random()).error().code(), Code::altered);
  EXPECT_EQ(parts.open(key.recovery_key, key.bundle.sharing()).error().code(), Code::altered);
  EXPECT_EQ(parts.open(HpkePrivateKey::generate(system_random()), made.sharing()).error().code(),
            Code::bad_proof);
  const Bytes encoded = parts.encoded();
  const Group& group = key.bundle.group();
  for (std::size_t i = 0; i < encoded.size(); i += i < 64 ? 1 : 4999) {
    EXPECT_FALSE(RecoveryParts::parse(group, ByteView(encoded).first(i)));
    Bytes flipped = encoded;
    flipped[i] ^= 4;
    const auto parsed = RecoveryParts::parse(group, flipped);
    EXPECT_TRUE(!parsed || !parsed->open(key.recovery_key, made.sharing())) << i;
  }
}

// There are at most 16 indices, so neither the recovery party nor a dealer can have a greater one.
TEST_P(MaliciousHandoverTest, RecoveryPartsAreOfIndicesThatThereAre) {
  const auto made = must(handover.transcript(deals));
  const Bytes encoded = must(handover.parts(made, deals)).encoded();
  constexpr std::size_t kIndex = 5 + 32;
  constexpr std::size_t kFirstDealer = kIndex + 2;
  const auto accepted = [&](std::size_t at, std::uint8_t index, bool alone) {
    Bytes changed = encoded;
    changed[at] = index;
    if (alone) {
      changed[kIndex + 1] = 1;
      Reader first(ByteView(changed).subspan(kFirstDealer + 1));
      invariant(first.lp4().has_value());
      changed.resize(changed.size() - first.size());
    }
    return bool{RecoveryParts::parse(key.bundle.group(), changed)};
  };
  EXPECT_TRUE(accepted(kIndex, 16, false));
  EXPECT_FALSE(accepted(kIndex, 17, false));
  EXPECT_FALSE(accepted(kIndex, 0, false));
  EXPECT_TRUE(accepted(kFirstDealer, 16, true));
  EXPECT_TRUE(accepted(kFirstDealer, 0, true));  // in a key generation it is a position
  EXPECT_FALSE(accepted(kFirstDealer, 17, true));
}

// A dealer commits to the right value, and gives the recovery party another one.
TEST_P(MaliciousHandoverTest, WhatTheRecoveryPartyCannotOpenIsRefusedByEveryAgent) {
  const RecoveryStatement statement = dealt_statement(handover.plan, deals[0].open);
  const Scalar other = Scalar::random(key.bundle.group().scalars(), system_random());
  RecoveryStatement elsewhere = statement;
  elsewhere.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
  for (const RecoveryPart& forged : {must(RecoveryPart::make(statement, other, system_random())),
                                     must(RecoveryPart::make(elsewhere, other, system_random()))}) {
    std::vector<Deal> dealt;
    dealt.push_back(handover.with_part(deals[0], key.shares.at(1), forged));
    dealt.push_back(must(Deal::parse(deals[1].encode(), handover.plan)));
    const auto made = must(handover.transcript(dealt));
    for (const std::size_t agent : {0u, 1u}) {
      const auto parts = handover.parts(made, dealt, agent);
      ASSERT_FALSE(parts);
      EXPECT_EQ(parts.error().code(), Code::bad_proof);
      EXPECT_EQ(parts.error().message(), "dealer 1: its recovery part for index 3 does not hold");
    }
  }
}

TEST_P(MaliciousHandoverTest, AnotherPartThanTheOneNamedIsRefused) {
  const auto made = must(handover.transcript(deals));
  deals[0].open.part_hash[0] ^= 1;
  EXPECT_EQ(why(deals), "dealer of index 1: the proof that it consents with its share does not hold");
  const auto parts = handover.parts(made, deals);
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().message(), "dealer 1: its recovery part for index 3 cannot be opened");
}

TEST_P(MaliciousHandoverTest, APartForNobodyIsRefused) {
  TestHandover without(key, {.t = 2, .parties = {{"cloud", {1}}, {"company", {2}}}}, {1, 2});
  PublicDeal open = std::move(without.deal()[0].open);
  EXPECT_TRUE(PublicDeal::parse(open.encode(), without.plan));
  open.part_hash[0] = 1;
  const auto parsed = PublicDeal::parse(open.encode(), without.plan);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::malformed);
  EXPECT_NE(parsed.error().message().find("a recovery part for nobody"), std::string::npos);
}

TEST_P(MaliciousHandoverTest, DealersAreExactlyThoseOfThePlan) {
  std::vector<Deal> one;
  one.push_back(std::move(deals[0]));
  EXPECT_EQ(why(one), "handover: not one deal of each dealer");
  std::vector<Deal> swapped;
  swapped.push_back(std::move(deals[1]));
  swapped.push_back(std::move(one[0]));
  EXPECT_EQ(why(swapped), "handover: no deal of index 1 in its place");
}

TEST_P(MaliciousHandoverTest, PlansThatDoNotFollowAreRefused) {
  const auto& now = key.bundle.sharing();
  const auto follows = [&](void (*change)(HandoverPlan::Fields&)) {
    const auto plan = changed(change);
    return plan ? plan->follows(now, key.bundle.newest_hash()) : Status(plan.error());
  };
  EXPECT_TRUE(follows([](auto&) {}));
  EXPECT_EQ(follows([](auto& f) { f.key_id[0] ^= 1; }).error().code(), Code::denied);
  EXPECT_EQ(follows([](auto& f) { f.previous[0] ^= 1; }).error().code(), Code::conflict);
  EXPECT_EQ(follows([](auto& f) { f.epoch = 0; }).error().code(), Code::malformed);
  EXPECT_EQ(follows([](auto& f) { f.dealers = {2, 1}; }).error().code(), Code::malformed);
  EXPECT_EQ(follows([](auto& f) { f.dealers = {0, 1}; }).error().code(), Code::malformed);
  EXPECT_EQ(follows([](auto& f) { f.dealers = {}; }).error().code(), Code::malformed);
  EXPECT_EQ(follows([](auto& f) { f.dealers = {1}; }).error().code(), Code::malformed);
  EXPECT_EQ(follows([](auto& f) { f.dealers = {1, 2, 3}; }).error().code(), Code::malformed);
  EXPECT_EQ(follows([](auto& f) { f.dealers = {1, 4}; }).error().code(), Code::malformed);
  EXPECT_TRUE(follows([](auto& f) { f.epoch = 7; }));
}

TEST_P(MaliciousHandoverTest, WhatNoHandoverMayChange) {
  EXPECT_EQ(why_not([](auto& p) { p.purpose = Purpose::derive; }),
            "handover plan: it changes the key's purpose");
  EXPECT_EQ(why_not([](auto& p) { p.tenant = "other"; }), "handover plan: it changes the key's tenant");
  EXPECT_EQ(why_not([](auto& p) { p.suite = SuiteId::ffdhe2048; }),
            "handover plan: it changes the key's suite");
  EXPECT_EQ(why_not([](auto& p) {
              p.client_ca = test::make_authority("another", SigningKey::generate(system_random()));
            }),
            "handover plan: it changes the key's client CA");
  // A new code is not a refresh, but may follow.
  const auto renew_code = [&](auto& p) {
    const auto other = HpkePrivateKey::generate(system_random()).public_key();
    p.recovery_key = other;
    p.parties[2].ceremony_key = other;
    p.parties[2].organisation = test::certify(key.organisations, "company", other);
  };
  const auto renew_kit = [](auto& p) {
    p.parties[2].identity_key = SigningKey::generate(system_random()).public_key();
  };
  EXPECT_EQ(why_not([&](auto& p) {
              renew_code(p);
              renew_kit(p);
            }),
            "");
  // Code and kit are renewed together or not at all.
  EXPECT_EQ(why_not(renew_code), "handover plan: a new code keeps the recovery administrator of the old one");
  EXPECT_EQ(why_not(renew_kit),
            "handover plan: it changes the key's recovery administrator without a new code");
}

// A tool that gives each agent another recovery blob needs another plan for each, and deals for one plan are
// invalid for any other.
TEST_P(MaliciousHandoverTest, AgentsThatWereGivenDifferentBlobsConfirmNoVersion) {
  const auto other = must(changed([](auto& fields) { fields.blob_hash[0] ^= 1; }));
  EXPECT_NE(other.sid(), handover.plan.sid());
  std::vector<PublicDeal> open;
  for (const Deal& deal : deals) open.push_back(must(PublicDeal::parse(deal.open.encode(), other)));
  const auto made =
      HandoverTranscript::make(key.bundle.sharing(), key.bundle.newest_hash(), other, std::move(open));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Code::bad_proof);
}

TEST_P(MaliciousHandoverTest, APlanNamesABlobIfThereIsARecoveryParty) {
  const auto none = changed([](auto& fields) { fields.blob_hash = {}; });
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::malformed);
  auto parameters = handover.plan->parameters.fields();
  parameters.parties.pop_back();
  parameters.n = 2;
  parameters.recovery_key.reset();
  HandoverPlan::Fields fields = handover.plan.fields();
  fields.parameters = must(Parameters::make(std::move(parameters)));
  EXPECT_EQ(HandoverPlan::make(fields).error().code(), Code::malformed);
  fields.blob_hash = {};
  EXPECT_TRUE(HandoverPlan::make(std::move(fields)));
}

TEST_P(MaliciousHandoverTest, TheProofOfANewRecoveryKeyIsOfItsKeyPlanAndBlob) {
  const auto fresh = HpkePrivateKey::generate(system_random());
  const Digest blob = sha256(bytes_of("blob"));
  const Signature proof = prove_recovery_key(handover.plan.sid(), blob, fresh);
  EXPECT_TRUE(verify_recovery_key(fresh.public_key(), handover.plan.sid(), blob, proof));
  EXPECT_FALSE(verify_recovery_key(key.recovery_key.public_key(), handover.plan.sid(), blob, proof));
  EXPECT_FALSE(verify_recovery_key(fresh.public_key(), key.bundle.sharing().sid, blob, proof));
  EXPECT_FALSE(verify_recovery_key(fresh.public_key(), handover.plan.sid(), Digest{}, proof));
}

}  // namespace
}  // namespace coprotect::protocol
