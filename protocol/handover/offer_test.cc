// Offers prove who made the key that a plan names for a party, and whether that party holds its shares.

#include "protocol/handover/offer.h"

#include <gtest/gtest.h>

#include "protocol/group/test_suites.h"
#include "protocol/handover/test_handover.h"
#include "protocol/testdata/fixed_random.h"

namespace coprotect::protocol {
namespace {

using test::default_layout;
using test::Layout;
using test::TestHandover;
using test::TestKey;

class OfferTest : public testing::TestWithParam<SuiteId> {
 protected:
  const Sharing& now() const { return key.bundle.sharing(); }
  std::string why(std::span<const HandoverOffer> with) const {
    const auto checked = check_offers(refresh.plan, now(), with);
    return checked ? "" : checked.error().message();
  }
  // The company's offer changed, then signed by its identity key and proved with its share.
  std::string why_changed(void (*change)(HandoverOffer&)) const {
    auto changed = refresh.offers();
    HandoverOffer& company = changed[1];
    change(company);
    company.sign(refresh.identity("company"));
    company.proofs = {TestHandover::prove(company, 2, now(), key.shares.at(2))};
    return why(changed);
  }
  ShareProof prove(std::uint8_t index, const Scalar& share) const {
    return TestHandover::prove(offers[1], index, now(), share);
  }

  TestKey key = TestKey::shared(GetParam());
  TestHandover refresh{key, default_layout(), {1, 2}};
  std::vector<HandoverOffer> offers = refresh.offers();
};
INSTANTIATE_TEST_SUITE_P(Suites, OfferTest, test::tested_suites(), test::suite_label);

TEST_P(OfferTest, OfAllAgentsInThePlansOrder) {
  EXPECT_EQ(why(offers), "");
  EXPECT_EQ(why(std::span(offers).first(1)), "party \"company\": no offer of it is with the plan");
  std::swap(offers[0], offers[1]);
  EXPECT_EQ(why(offers), "party \"cloud\": the plan does not say what it offered");
  std::swap(offers[0], offers[1]);
  offers.push_back(offers[1]);
  EXPECT_EQ(why(offers), "handover: an offer of nobody in the plan");
}

TEST_P(OfferTest, SaysWhatThePlanSays) {
  EXPECT_EQ(why_changed([](HandoverOffer&) {}), "");
  EXPECT_EQ(why_changed([](HandoverOffer& o) { o.boot_nonce = {7}; }), "");
  const std::string other_version = "party \"company\": its offer is for another version of a key";
  EXPECT_EQ(why_changed([](HandoverOffer& o) { o.key_id[0] ^= 1; }), other_version);
  EXPECT_EQ(why_changed([](HandoverOffer& o) { o.newest_hash[0] ^= 1; }), other_version);
  const std::string other = "party \"company\": the plan does not say what it offered";
  EXPECT_EQ(why_changed([](HandoverOffer& o) { o.nonce[0] ^= 1; }), other);
  EXPECT_EQ(why_changed([](HandoverOffer& o) { o.mode = KeeperMode::resident; }), other);
  EXPECT_EQ(why_changed([](HandoverOffer& o) {
              o.ceremony_key = HpkePrivateKey::generate(system_random()).public_key();
            }),
            other);
}

TEST_P(OfferTest, IsSignedByThePartysIdentityKey) {
  offers[1].sign(refresh.identity("cloud"));
  EXPECT_EQ(why(offers), "party \"company\": its identity key did not sign its offer");
}

// A thief of an identity key without a share cannot make a valid offer.
TEST_P(OfferTest, ProvesEachShareThatThePartyHolds) {
  const std::string not_these =
      "party \"company\": its offer does not prove exactly the shares of epoch 0 that it holds";
  const std::string not_held = "party \"company\": its offer does not prove share 2 of epoch 0";
  const auto with = [&](std::vector<ShareProof> proofs) {
    offers[1].proofs = std::move(proofs);
    return why(offers);
  };
  EXPECT_EQ(with({}), not_these);
  EXPECT_EQ(with({prove(1, key.shares.at(1))}), not_these);
  EXPECT_EQ(with({prove(1, key.shares.at(1)), prove(2, key.shares.at(2))}), not_these);
  EXPECT_EQ(with({prove(2, key.shares.at(1))}), not_held);
  EXPECT_EQ(with({{.index = 2, .proof = prove(1, key.shares.at(1)).proof}}), not_held);
  EXPECT_EQ(with({{.index = 2, .proof = refresh.offers()[1].proofs[0].proof}}), "");  // the very same offer
  EXPECT_EQ(with({TestHandover::prove(offers[0], 2, now(), key.shares.at(2))}), not_held);
  EXPECT_EQ(with({prove(2, key.shares.at(2))}), "");
  Bytes changed = offers[1].proofs[0].proof;
  for (std::size_t at = 0; at < changed.size(); at += changed.size() / 7) {
    changed[at] ^= 1;
    EXPECT_EQ(with({{.index = 2, .proof = changed}}), not_held) << at;
    changed[at] ^= 1;
  }
  changed.push_back(0);
  EXPECT_EQ(with({{.index = 2, .proof = changed}}), not_held);
}

TEST_P(OfferTest, AShareOfAnotherEpochProvesNothing) {
  const Scalar old = key.shares.at(2).clone();
  const Sharing before = now();
  refresh.run();
  TestHandover next(key, default_layout(), {1, 2});
  auto now_offered = next.offers();
  ASSERT_TRUE(check_offers(next.plan, now(), now_offered));
  const HeldShare of_old{before.key_id, before.epoch, 2, before.public_share(2)};
  const HeldShare as_new{before.key_id, now().epoch, 2, now().public_share(2)};
  for (const HeldShare& held : {of_old, as_new}) {
    now_offered[1].proofs = {prove_share(now_offered[1].hash(), held, old, system_random())};
    EXPECT_EQ(check_offers(next.plan, now(), now_offered).error().code(), Code::bad_proof);
  }
}

TEST_P(OfferTest, WhoHoldsSeveralSharesProvesAll) {
  TestHandover(key, {2, {{"cloud", {1, 3}}, {"company", {2, 4}}, {"recovery", {5}}}}, {1, 2}).run();
  const TestHandover next(key, {2, {{"cloud", {1, 3}}, {"company", {2, 4}}, {"recovery", {5}}}}, {1, 2});
  auto offered = next.offers();
  EXPECT_TRUE(check_offers(next.plan, now(), offered));
  offered[0].proofs.pop_back();
  EXPECT_EQ(check_offers(next.plan, now(), offered).error().code(), Code::bad_proof);
}

TEST_P(OfferTest, WhoJoinsProvesNothing) {
  const TestHandover restore(key, {2, {{"cloud", {1}}, {"newcompany", {2}}, {"recovery", {3}}}}, {1, 3});
  auto offered = restore.offers();
  EXPECT_TRUE(offered[1].proofs.empty());
  EXPECT_TRUE(check_offers(restore.plan, now(), offered));
  offered[1].proofs = {TestHandover::prove(offered[1], 2, now(), key.shares.at(2))};
  EXPECT_EQ(check_offers(restore.plan, now(), offered).error().message(),
            "party \"newcompany\": its offer does not prove exactly the shares of epoch 0 that it holds");
}

// A refresh gives no new party a share, so it has the present parameters to the byte.
TEST_P(OfferTest, ARefreshChangesNothingButTheCeremonysKeys) {
  const auto refreshes = [&](void (*change)(Parameters::Fields&),
                             std::vector<std::uint8_t> dealers = {1, 2}) {
    HandoverPlan::Fields fields = refresh.plan.fields();
    Parameters::Fields parameters = fields.parameters.fields();
    change(parameters);
    fields.parameters = must(Parameters::make(std::move(parameters)));
    if (!fields.parameters.recovery_party()) fields.blob_hash = {};
    fields.dealers = std::move(dealers);
    return must(HandoverPlan::make(std::move(fields))).refreshes(now());
  };
  using Fields = Parameters::Fields;
  EXPECT_TRUE(refreshes([](Fields&) {}));
  EXPECT_TRUE(refreshes([](Fields& f) { f.parties[2].nonce[0] ^= 1; }));
  EXPECT_FALSE(refreshes([](Fields& f) { f.t = 3; }));
  EXPECT_FALSE(refreshes([](Fields& f) { f.parties[0].name = "another"; }));
  EXPECT_FALSE(refreshes([](Fields& f) { f.parties[0].url += "0"; }));
  EXPECT_FALSE(refreshes([](Fields& f) { f.parties[0].mode = KeeperMode::resident; }));
  EXPECT_FALSE(refreshes([](Fields& f) { std::swap(f.parties[0], f.parties[1]); }));
  EXPECT_FALSE(refreshes([](Fields& f) { std::swap(f.parties[0].indices, f.parties[1].indices); }));
  EXPECT_FALSE(refreshes([](Fields& f) {
    const SigningKey identity = SigningKey::generate(system_random());
    f.parties[0].identity_key = identity.public_key();
    f.parties[0].identity_certificate = test::make_authority("cloud", identity);
    f.parties[0].organisation = must(
        OrganisationCertificate::issue(OrganisationKind::agent, "cloud", identity, identity.public_key()));
  }));
  EXPECT_FALSE(refreshes([](Fields& f) {
    const SigningKey another = SigningKey::generate(system_random());
    f.parties[0].organisation = must(
        OrganisationCertificate::issue(OrganisationKind::agent, "cloud", another, f.parties[0].identity_key));
  }));
  EXPECT_FALSE(refreshes(
      [](Fields& f) { f.parties[2].identity_key = SigningKey::generate(system_random()).public_key(); }));
  EXPECT_FALSE(refreshes([](Fields& f) {
    f.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
    f.parties[2].ceremony_key = *f.recovery_key;
    f.parties[2].organisation = must(OrganisationCertificate::issue_recovery(
        "acme", SigningKey::generate(system_random()), *f.recovery_key));
  }));
  EXPECT_FALSE(refreshes([](Fields& f) { f.parties.pop_back(), f.n = 2, f.recovery_key.reset(); }));
  // The recovery party does not deal in a refresh.
  EXPECT_FALSE(refreshes([](Fields&) {}, {1, 3}));
}

// A new certificate for the same identity key changes whom clients and other agents trust in TLS.
TEST_P(OfferTest, ARefreshKeepsEachIdentityCertificate) {
  HandoverPlan::Fields fields = refresh.plan.fields();
  Parameters::Fields parameters = fields.parameters.fields();
  parameters.parties[0].identity_certificate = test::make_authority("cloud", refresh.identity("cloud"));
  fields.parameters = must(Parameters::make(std::move(parameters)));
  EXPECT_FALSE(must(HandoverPlan::make(std::move(fields))).refreshes(now()));
}

TEST_P(OfferTest, AStuckGeneratorDealsUnrelatedPolynomialsForTwoPlans) {
  StuckRandom stuck;
  const TestHandover other(key, default_layout(), {1, 2});
  const auto deal = [&](const TestHandover& handover, std::uint8_t index, const Scalar& share) {
    return must(make_deal(handover.plan, index, share, stuck));
  };
  const Deal first = deal(refresh, 1, key.shares.at(1));
  EXPECT_EQ(first.encode(), deal(refresh, 1, key.shares.at(1)).encode());
  const Deal second = deal(other, 1, key.shares.at(1));
  const Deal neighbour = deal(refresh, 2, key.shares.at(2));
  for (const Deal* const unlike : {&second, &neighbour}) {
    EXPECT_NE(unlike->open.commitments[1], first.open.commitments[1]);
    EXPECT_NE(unlike->open.proof_r, first.open.proof_r);
    for (std::uint8_t j = 1; j <= 3; ++j)  // nor the ephemeral keys
      EXPECT_FALSE(std::ranges::equal(unlike->sealed_for(j).first(65), first.sealed_for(j).first(65)));
  }
  // Nor within one deal.
  EXPECT_FALSE(std::ranges::equal(first.sealed_for(1).first(65), first.sealed_for(2).first(65)));
}

TEST_P(OfferTest, AStuckGeneratorRepeatsNoNonceForAnotherOffer) {
  StuckRandom stuck;
  const HeldShare held{now().key_id, now().epoch, 2, now().public_share(2)};
  const auto prove = [&](const Digest& hash) {
    return prove_share(hash, held, key.shares.at(2), stuck).proof;
  };
  const auto nonce_of = [&](const Bytes& proof) {
    return Bytes(proof.begin(),
                 proof.begin() + static_cast<std::ptrdiff_t>(key.bundle.group().element_size()));
  };
  EXPECT_EQ(prove({1}), prove({1}));
  EXPECT_NE(nonce_of(prove({1})), nonce_of(prove({2})));
}

}  // namespace
}  // namespace coprotect::protocol
