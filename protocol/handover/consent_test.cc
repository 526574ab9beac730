#include "protocol/handover/consent.h"

#include <gtest/gtest.h>

#include "protocol/handover/quorums.h"
#include "protocol/handover/test_handover.h"

namespace coprotect::protocol {
namespace {

class ConsentTest : public testing::Test {
 protected:
  static constexpr std::int64_t kNow = test::kNow;
  static constexpr std::int64_t kHour = 3'600'000;
  Consent of(const std::string& agent, const HandoverPlan& plan,
             std::int64_t not_after = kNow + kHour) const {
    return Consent::make(plan, not_after, "words", key.identities.at(agent));
  }
  static std::string why(const Status& status) { return status ? "ok" : status.error().message(); }
  Status check(const HandoverPlan& plan, const std::vector<Consent>& consents,
               std::int64_t now = kNow) const {
    std::vector<Bytes> encoded;
    for (const Consent& consent : consents) encoded.push_back(consent.encode());
    return check_consents(plan, key.bundle.sharing(), encoded, now);
  }
  void refused(const HandoverPlan& plan, const std::vector<Consent>& consents, Code code,
               const std::string& part) const {
    const Status status = check(plan, consents);
    ASSERT_FALSE(status) << part;
    EXPECT_EQ(status.error().code(), code) << status.error().message();
    EXPECT_NE(status.error().message().find(part), std::string::npos) << status.error().message();
  }
  // Two plans of one epoch, each with a new holder, and another agent that does not deal.
  const test::Layout three{2, {{"cloud", {1}}, {"company", {2}}, {"third", {3}}, {"recovery", {4}}}};
  test::TestKey key = test::TestKey::generate(SuiteId::p256, three);
  const test::Layout one{2, {{"cloud", {1}}, {"company", {2}}, {"evil", {3}}, {"recovery", {4}}}};
  test::TestHandover plan_a{key, one, {1, 2}};
  test::TestHandover plan_b{key, one, {1, 2}};
};

TEST_F(ConsentTest, IsReadBackAsItWas) {
  const Consent consent = of("cloud", plan_a.plan);
  const Bytes encoded = consent.encode();
  const Consent parsed = must(Consent::parse(encoded));
  EXPECT_EQ(parsed.encode(), encoded);
  EXPECT_TRUE(parsed.verify(key.identities.at("cloud").public_key()));
  EXPECT_FALSE(parsed.verify(key.identities.at("company").public_key()));
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    EXPECT_FALSE(Consent::parse(ByteView(encoded).first(i))) << i;
    Bytes changed = encoded;
    changed[i] ^= 1;
    const auto other = Consent::parse(changed);
    if (other) {
      EXPECT_FALSE(other->verify(key.identities.at("cloud").public_key())) << i;
    }
  }
}

TEST_F(ConsentTest, IsOfAKeyOnTheCurve) {
  Consent consent = of("cloud", plan_a.plan);
  consent.identity_key = {2};
  consent.identity_key.back() = 1;  // the abscissa of no point
  const auto parsed = Consent::parse(consent.encode());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::malformed);
  refused(plan_a.plan, {consent}, Code::malformed, "not a consent");
}

TEST_F(ConsentTest, AllDealersToThisVeryPlan) {
  EXPECT_EQ(why(check(plan_a.plan, {of("cloud", plan_a.plan), of("company", plan_a.plan)})), "ok");
  EXPECT_EQ(why(check(plan_a.plan, {of("company", plan_a.plan), of("cloud", plan_a.plan)})), "ok");
  refused(plan_a.plan, {}, Code::denied, "cloud agent has not consented to this plan");
  refused(plan_a.plan, {of("cloud", plan_a.plan)}, Code::denied, "company agent has not consented");
  // Two operators consented to two plans. Neither plan has both consents.
  refused(plan_a.plan, {of("cloud", plan_a.plan), of("company", plan_b.plan)}, Code::denied,
          "company agent consented to another plan");
  refused(plan_b.plan, {of("cloud", plan_a.plan), of("company", plan_b.plan)}, Code::denied,
          "cloud agent consented to another plan");
}

TEST_F(ConsentTest, NobodyElsesCounts) {
  refused(plan_a.plan, {of("cloud", plan_a.plan), of("company", plan_a.plan), of("third", plan_a.plan)},
          Code::malformed, "neither deals nor keeps a share");
  refused(plan_a.plan, {of("cloud", plan_a.plan), of("cloud", plan_a.plan)}, Code::malformed, "two consents");
  Consent forged = of("third", plan_a.plan);
  forged.identity_key = key.identities.at("company").public_key().bytes();
  refused(plan_a.plan, {of("cloud", plan_a.plan), forged}, Code::unauthenticated, "company agent");
}

TEST_F(ConsentTest, ForADayAtMost) {
  const auto both = [&](std::int64_t not_after) {
    return std::vector{of("cloud", plan_a.plan), of("company", plan_a.plan, not_after)};
  };
  refused(plan_a.plan, both(kNow - 1), Code::denied, "has expired");
  refused(plan_a.plan, both(kNow + 2 * kMaxConsentMs), Code::denied, "longer than a day");
  EXPECT_TRUE(check(plan_a.plan, both(kNow)));
  EXPECT_TRUE(check(plan_a.plan, both(kNow + kMaxConsentMs)));
}

// The recovery share deals without an agent. An agent that keeps a share without dealing also consents. One
// that leaves without dealing is not asked.
TEST_F(ConsentTest, WhoDealsOrKeepsAShareIsAsked) {
  const test::TestHandover with_recovery{key, one, {1, 4}};
  EXPECT_TRUE(
      check(with_recovery.plan, {of("cloud", with_recovery.plan), of("company", with_recovery.plan)}));
  refused(with_recovery.plan, {of("cloud", with_recovery.plan)}, Code::denied,
          "company agent has not consented");
}

TEST_F(ConsentTest, FilesInTheAgentsFolderAreReadBack) {
  const PendingPlan pending{.key_id = {1},
                            .plan_hash = {2},
                            .epoch = 3,
                            .client = "coprotect:acme:admin:root",
                            .proposed_ms = 4,
                            .words = "line\nline\n"};
  const OperatorApproval approval{.key_id = {1}, .plan_hash = {2}, .not_after_ms = 3};
  EXPECT_EQ(must(PendingPlan::parse(pending.encode())).encode(), pending.encode());
  EXPECT_EQ(must(OperatorApproval::parse(approval.encode())).encode(), approval.encode());
  for (const Bytes& encoded : {pending.encode(), approval.encode()})
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      EXPECT_FALSE(PendingPlan::parse(ByteView(encoded).first(i)));
      EXPECT_FALSE(OperatorApproval::parse(ByteView(encoded).first(i)));
    }
}

}  // namespace
}  // namespace coprotect::protocol
