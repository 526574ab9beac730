#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/handover/quorums.h"

// Plans that give somebody a share who has none, played by a tool that wants more than was agreed to.
namespace coprotect::agent::custodian {
namespace {

using protocol::SuiteId;
using testing::HandoverTool;
using testing::kHourMs;
using testing::opens;
using testing::TestAgent;

class ConsentOfAgents : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  ConsentOfAgents() : HandoverFixture(GetParam()) {}
  // The key with one more holder.
  HandoverTool with(TestAgent& joiner) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                      {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {&joiner, 3}}, .recovery = 4},
                      {1, 2});
    tool.offer();
    tool.plan();
    return tool;
  }
  // An operator's consent to the tool's plan.
  static Bytes approved(HandoverTool& tool, TestAgent& agent, std::int64_t valid_ms = 24 * kHourMs) {
    if (agent.pending().empty()) static_cast<void>(tool.consent_at(agent));
    agent.approve(tool.the_plan(), valid_ms);
    return must(tool.consent_at(agent)).encode();
  }
  // What one agent says to the consents that the tool has.
  std::string deals(HandoverTool& tool, TestAgent& agent) { return why(tool.deal_at(agent)); }
};
INSTANTIATE_TEST_SUITE_P(Suites, ConsentOfAgents, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

// The tool shows the cloud's operator plan A, in which the company adds a host, and the company's operator
// plan B, in which the cloud does. Both consent; index 3 is the attacker's in both. The values of A and B
// would add up to a share, and with the recovery share to the key: no agent deals by either plan.
TEST_P(ConsentOfAgents, TwoOperatorsWhoConsentToTwoPlansGiveNothing) {
  const auto evil = another("company-b");
  const auto evil_too = another("cloud-b");
  HandoverTool a = with(*evil);
  const Bytes cloud_to_a = approved(a, pair.cloud);
  HandoverTool b = with(*evil_too);
  const Bytes company_to_b = approved(b, pair.company);
  const int before = pair.cloud.computed() + pair.company.computed();
  // Whatever is put together, someone's consent is missing or of the other plan.
  const std::string other = "consented to another plan";
  const std::string missing = "has not consented to this plan";
  b.consents = {cloud_to_a, company_to_b};
  EXPECT_TRUE(contains(deals(b, pair.company), other)) << deals(b, pair.company);
  b.consents = {company_to_b};
  EXPECT_TRUE(contains(deals(b, pair.company), missing)) << deals(b, pair.company);
  // The cloud was asked for B's offers since; A is a plan of forgotten offers there.
  a.consents = {cloud_to_a, company_to_b};
  EXPECT_FALSE(a.deal_at(pair.cloud));
  a.consents = {cloud_to_a};
  EXPECT_FALSE(a.deal_at(pair.cloud));
  EXPECT_EQ(pair.cloud.computed() + pair.company.computed(), before);
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

// The same with offers that live: one offer of each agent, two plans over them.
TEST_P(ConsentOfAgents, TwoPlansOverTheSameOffersGiveNothing) {
  const auto evil = another("company-b");
  HandoverTool tool = with(*evil);
  const Bytes company_to_first = approved(tool, pair.company);
  // The same parties with two indices exchanged.
  tool.fields().parties[1].indices = {3};
  tool.fields().parties[2].indices = {2};
  tool.plan();
  const Bytes cloud_to_second = approved(tool, pair.cloud);
  tool.consents = {cloud_to_second, company_to_first};
  EXPECT_TRUE(contains(deals(tool, pair.cloud), "the company agent consented to another plan"));
  tool.consents = {cloud_to_second};
  EXPECT_TRUE(contains(deals(tool, pair.cloud), "the company agent has not consented to this plan"));
  EXPECT_TRUE(contains(deals(tool, pair.company), "waits for the operator of the company agent"));
}

TEST_P(ConsentOfAgents, TheOperatorIsShownWhatTheAgentParsed) {
  const auto cloud_b = another("cloud-b");
  HandoverTool tool = with(*cloud_b);
  const auto waits = tool.consent_at(pair.company);
  EXPECT_EQ(code_of(waits), "limited");
  const std::string hash = to_hex(protocol::plan_hash(tool.the_plan()));
  EXPECT_TRUE(contains(why(waits), "waits for the operator of the company agent")) << why(waits);
  EXPECT_TRUE(contains(why(waits), "approve --dir FOLDER " + hash.substr(0, 16))) << why(waits);
  const auto pending = pair.company.pending();
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(to_hex(pending[0].plan_hash), hash);
  EXPECT_EQ(pending[0].client, pair.admin.uri);
  EXPECT_EQ(pending[0].words, must(protocol::plan_in_words(bundle.sharing(), tool.the_plan())).text);
  EXPECT_TRUE(contains(pending[0].words, "NEW: agent of provider alone")) << pending[0].words;
  EXPECT_TRUE(contains(pending[0].words, "cloud-b [1] (index 3): JOINS")) << pending[0].words;
  EXPECT_TRUE(contains(ceremonies(pair.company).back(), "NEW quorums: agent of provider alone"));

  pair.company.approve(tool.the_plan());
  const auto consent = must(tool.consent_at(pair.company));
  EXPECT_TRUE(consent.verify(pair.company.identity_key()));
  EXPECT_EQ(consent.words, pending[0].words);
  EXPECT_TRUE(contains(ceremonies(pair.company).back(), "consents to handover"));
  EXPECT_TRUE(contains(ceremonies(pair.company).back(), "plan " + hash));
  // Once.
  EXPECT_EQ(must(tool.consent_at(pair.company)).encode(), consent.encode());
}

TEST_P(ConsentOfAgents, ItIsOfThisPlanOfThisAgentAndOfNobodyElse) {
  const auto third = another("company-b");
  HandoverTool tool = with(*third);
  const Bytes cloud = approved(tool, pair.cloud);
  const Bytes company = approved(tool, pair.company);
  const auto refused = [&](std::vector<Bytes> consents) {
    tool.consents = std::move(consents);
    return why(tool.deal_at(pair.cloud));
  };
  EXPECT_TRUE(contains(refused({cloud, cloud}), "two consents of the cloud agent"));
  EXPECT_TRUE(contains(refused({cloud}), "the company agent has not consented to this plan"));
  // The joining agent signs one, too; and one in the company's name.
  protocol::Consent forged = must(protocol::Consent::parse(company));
  forged.signature = must(protocol::Consent::parse(cloud)).signature;
  EXPECT_TRUE(contains(refused({cloud, forged.encode()}), "the consent of the company agent does not hold"));
  const auto stranger = protocol::SigningKey::generate(system_random());
  const auto foreign = protocol::Consent::make(tool.the_plan(), pair.clock->now_ms, "", stranger);
  EXPECT_TRUE(
      contains(refused({cloud, company, foreign.encode()}), "an agent that neither deals nor keeps a share"));
  EXPECT_TRUE(contains(refused({cloud, Bytes{1}}), "not a consent"));
  EXPECT_EQ(refused({company, cloud}), "ok");
}

TEST_P(ConsentOfAgents, ItExpires) {
  const auto third = another("company-b");
  HandoverTool tool = with(*third);
  const Bytes cloud = approved(tool, pair.cloud);
  const Bytes company = approved(tool, pair.company, 60'000);
  pair.clock->now_ms += 60'001;
  tool.consents = {cloud, company};
  EXPECT_TRUE(contains(deals(tool, pair.cloud), "the consent of the company agent has expired"));
  EXPECT_TRUE(
      contains(deals(tool, pair.company), "the approval of the operator of the company agent has expired"));
  EXPECT_EQ(code_of(tool.consent_at(pair.company)), "limited");
  // Nor does an approval for a year make a consent for longer than a day.
  pair.company.approve(tool.the_plan(), 365 * 24 * kHourMs);
  EXPECT_LE(must(tool.consent_at(pair.company)).not_after_ms, pair.clock->now_ms + protocol::kMaxConsentMs);
}

TEST_P(ConsentOfAgents, ItIsWithdrawnUntilTheDeal) {
  const auto third = another("company-b");
  HandoverTool tool = with(*third);
  const Bytes cloud = approved(tool, pair.cloud);
  const Bytes company = approved(tool, pair.company);
  tool.consents = {cloud, company};
  pair.company.withdraw(tool.the_plan());
  // The tool has the consent, and the company's agent does not deal by it.
  EXPECT_TRUE(contains(deals(tool, pair.company), "waits for the operator of the company agent"));
  EXPECT_EQ(code_of(tool.consent_at(pair.company)), "limited");
  pair.company.approve(tool.the_plan());
  EXPECT_EQ(deals(tool, pair.company), "ok");
}

// An approval is for a plan whose offers live: after a restart nothing is dealt by it.
TEST_P(ConsentOfAgents, ARestartForgetsWhatWaits) {
  const auto third = another("company-b");
  HandoverTool tool = with(*third);
  const Bytes cloud = approved(tool, pair.cloud);
  const Bytes company = approved(tool, pair.company);
  reopen(pair.cloud);
  EXPECT_TRUE(pair.cloud.pending().empty());
  tool.consents = {cloud, company};
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "conflict");
  EXPECT_EQ(code_of(tool.consent_at(pair.cloud)), "conflict");
}

// What the tool proposes next takes the place of what it proposed before, and of its approval.
TEST_P(ConsentOfAgents, OnePlanOfAKeyWaitsAtATime) {
  const auto third = another("company-b");
  HandoverTool tool = with(*third);
  const Bytes first = approved(tool, pair.cloud);
  HandoverTool again = with(*third);
  EXPECT_TRUE(pair.cloud.pending().empty());
  EXPECT_EQ(code_of(again.consent_at(pair.cloud)), "limited");
  ASSERT_EQ(pair.cloud.pending().size(), 1u);
  EXPECT_EQ(pair.cloud.pending()[0].plan_hash, protocol::plan_hash(again.the_plan()));
}

TEST_P(ConsentOfAgents, ARefreshNeedsNoneAndAnAgentThatKeepsAShareIsAskedWithoutDealing) {
  HandoverTool simple = refresh();
  simple.offer();
  simple.plan();
  EXPECT_EQ(code_of(simple.consent_at(pair.cloud)), "malformed");
  EXPECT_TRUE(pair.cloud.pending().empty());

  const auto third = another("company-b");
  HandoverTool tool(
      bundle, {&pair.cloud, &pair.company}, pair.admin,
      {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {third.get(), 3}}, .recovery = 4}, {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.offer();
  tool.plan();
  const Bytes cloud = approved(tool, pair.cloud);
  tool.consents = {cloud};
  EXPECT_TRUE(contains(deals(tool, pair.cloud), "the company agent has not consented to this plan"));
  EXPECT_TRUE(contains(deals(tool, pair.company), "waits for the operator of the company agent"));
  tool.consents = {cloud, approved(tool, pair.company)};
  EXPECT_EQ(deals(tool, pair.company), "ok");
  EXPECT_EQ(deals(tool, pair.cloud), "ok");
}

// The tool certifies the provider's agent as the company's, to make the plan look harmless.
TEST_P(ConsentOfAgents, AnAgentIsNotMadeAnothersAgent) {
  const auto cloud_b = another("cloud-b");
  HandoverTool tool = with(*cloud_b);
  tool.fields().parties[0].organisation = must(protocol::OrganisationCertificate::issue(
      protocol::OrganisationKind::agent, "acme", pair.acme.ca_key(), pair.cloud.identity_key()));
  tool.plan();
  EXPECT_EQ(why(tool.consent_at(pair.cloud)), "handover plan: not what this agent offered");
  // The joining agent refuses, too: what it was made with is the provider's certificate.
  HandoverTool joins = with(*cloud_b);
  joins.fields().parties[2].organisation = must(protocol::OrganisationCertificate::issue(
      protocol::OrganisationKind::agent, "acme", pair.acme.ca_key(), cloud_b->identity_key()));
  joins.approve(pair.cloud);
  joins.approve(pair.company);
  joins.plan();
  joins.deal();
  EXPECT_TRUE(contains(why(joins.prepare_at(*cloud_b)), "its organisation"));
}

}  // namespace
}  // namespace coprotect::agent::custodian
