#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/crypto/hash.h"

// What a recovery administrator announces: who may carry it out and when, and that whoever objects has the
// whole wait for it.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverStep;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::kHourMs;
using testing::TestAgent;

class Announced : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  Announced() : HandoverFixture(GetParam()) {}
  testing::NewHolders own_holders(TestAgent& company, bool new_recovery = false) {
    return {.t = 2, .agents = {{&pair.cloud, 1}, {&company, 2}}, .recovery = 3, .new_recovery = new_recovery};
  }
  // The company's machines are gone; its share is restored into another agent.
  HandoverTool restore(TestAgent& company, const testing::TestClient& client, bool new_recovery = false) {
    HandoverTool tool(bundle, {&pair.cloud}, client, own_holders(company, new_recovery), {1, 3});
    tool.deal_with(3, pair.tool.recovery_share());
    tool.offer();
    tool.plan();
    return tool;
  }
  std::string consents(HandoverTool& tool) { return why(tool.consent_at(pair.cloud)); }
  // A second recovery certificate of the company's, as the kit of another key has one.
  testing::TestClient thief = [this] {
    auto client = pair.acme.enrol("recovery", "copy");
    pair.publish_clients(pair.admin.certificate.der());
    return client;
  }();
  const std::string not_of_this_key =
      "certificate of \"" + thief.uri + "\" is not that of this key's recovery administrator";
};
INSTANTIATE_TEST_SUITE_P(Suites, Announced, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

// The thief waits for the company's own announcement, and would carry it out, or announce something else.
TEST_P(Announced, NobodyRidesOnAnothersAnnouncement) {
  const auto company = another("newcompany");
  HandoverTool own = restore(*company, pair.rescuer);
  const auto notice = must(announce(own));
  HandoverTool stolen(bundle, {&pair.cloud}, thief, own_holders(*company), {1, 3});
  const Bytes announcement = protocol::Announcement::of(own.the_plan()->parameters).encode();
  for (int hour = 0; hour < 25; ++hour) {
    pair.clock->now_ms += kHourMs;
    EXPECT_EQ(why(stolen.ask(pair.cloud, HandoverStep::announce, announcement)), not_of_this_key);
    EXPECT_EQ(why(stolen.offer_at(pair.cloud)), not_of_this_key);
  }
  const protocol::DealRequest request{.plan = own.the_plan().encoded(),
                                      .offers = own.offers,
                                      .consents = {},
                                      .recovery_proof = own.recovery_proof};
  EXPECT_EQ(why(stolen.ask(pair.cloud, HandoverStep::consent, request.encode())), not_of_this_key);
  // Nor does the company's own key carry out another recovery key than it announced.
  HandoverTool other_code = restore(*company, pair.rescuer, true);
  EXPECT_EQ(consents(other_code),
            "these holders, with this recovery key, were not announced with this certificate");
  HandoverTool later = restore(*company, pair.rescuer);
  ASSERT_EQ(later.status(pair.cloud).announced.size(), 1u);
  EXPECT_EQ(must(announce(later)).not_before_ms, notice.not_before_ms);
  later.deal();
  later.prepare();
  later.sign();
}

// Whoever has the recovery administrator's key alone, and the client CA's, takes every other client off the
// list, so that nobody objects. Without the recovery share it still is not dealt to.
TEST_P(Announced, WhoHasNoRecoveryShareIsDealtNothing) {
  const auto evil = another("evilcompany");
  HandoverTool first = restore(*evil, pair.rescuer);
  must(announce(first));
  const protocol::Announcement what = protocol::Announcement::of(first.the_plan()->parameters);
  must(first.ask(pair.company, HandoverStep::announce, what.encode()));
  pair.clock->now_ms += 25 * kHourMs;
  const int before = pair.cloud.computed() + pair.company.computed();

  // The agents deal among themselves: each waits for its operator.
  HandoverTool both(bundle, {&pair.cloud, &pair.company}, pair.rescuer,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {evil.get(), 2}}, .recovery = 3}, {1, 2});
  both.offer();
  both.plan();
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) {
    EXPECT_TRUE(contains(why(both.consent_at(*agent)), "waits for the operator"))
        << why(both.consent_at(*agent));
    EXPECT_TRUE(contains(why(both.deal_at(*agent)), "waits for the operator")) << why(both.deal_at(*agent));
  }
  // The recovery share deals beside one of them: then somebody has to have it. Two such plans are two shares.
  pair.clock->now_ms += 61'000;
  HandoverTool one = restore(*evil, pair.rescuer);
  const Bytes right = one.recovery_proof;
  const auto guess = protocol::Scalar::random(bundle.group().scalars(), system_random());
  for (const Bytes& proof :
       {Bytes{}, protocol::prove_recovery_share(one.the_plan(), bundle.sharing(), guess, system_random()),
        first.recovery_proof}) {
    one.recovery_proof = proof;
    EXPECT_EQ(code_of(one.consent_at(pair.cloud)), "bad-proof");
    EXPECT_EQ(code_of(one.deal_at(pair.cloud)), "bad-proof");
  }
  EXPECT_EQ(pair.cloud.computed() + pair.company.computed(), before + 3) << "more than three offers";
  // Who has it is the company that lost its machines.
  one.recovery_proof = right;
  EXPECT_EQ(consents(one), "ok");
  // An operator may say that nothing which is announced stands for his approval.
  pair.cloud.announced = false;
  pair.cloud.close();
  pair.cloud.open();
  HandoverTool late = restore(*evil, pair.rescuer);
  EXPECT_TRUE(contains(consents(late), "waits for the operator")) << consents(late);
}

// To quorums by organisations the company's new agent is the company: whoever is told hears of the agent.
TEST_P(Announced, AnotherAgentOfTheSameOrganisationIsNamed) {
  const auto company = another("newcompany");
  HandoverTool own = restore(*company, pair.rescuer, true);
  must(announce(own));
  const std::string said = ceremonies(pair.cloud).back();
  EXPECT_TRUE(contains(said, "no quorum is new; ANOTHER agent: newcompany; ANOTHER recovery key")) << said;
  pair.clock->now_ms += 61'000;
  HandoverTool same = restore(pair.company, pair.rescuer);
  must(announce(same));
  const std::string again = ceremonies(pair.cloud).back();
  EXPECT_TRUE(contains(again, "no quorum is new; holders: ")) << again;
}

// A refresh changes no holder: whoever may ask for one does not end the company's wait by it.
TEST_P(Announced, ARefreshLeavesWhatIsAnnounced) {
  const auto company = another("newcompany");
  HandoverTool own = restore(*company, pair.rescuer);
  const auto notice = must(announce(own));
  pair.clock->now_ms += 61'000;
  HandoverTool simple = refresh();
  simple.run();
  ASSERT_EQ(simple.status(pair.cloud).announced.size(), 1u);
  EXPECT_EQ(simple.status(pair.cloud).announced[0].not_before_ms, notice.not_before_ms);
}

TEST_P(Announced, AnAdministratorAnnouncesNothing) {
  const auto company = another("newcompany");
  HandoverTool tool = restore(*company, pair.admin);
  EXPECT_EQ(why(announce(tool)), "an announcement needs a certificate of role recovery");
}

// Who has stolen kit and code announces; a backup is made, or the machine's disk copied; the company objects.
// Whatever brings the copy back brings neither the announcement back nor its wait, which is nearly over.
TEST_P(Announced, NoWaitAndNoVetoIsForgottenWithAStoreThatIsPutBack) {
  std::vector<std::string> heard;
  pair.cloud.close();
  pair.cloud.notify = [&](const Notification& n) { heard.push_back(n.event); };
  pair.cloud.open();
  const auto evil = another("evilcompany");
  HandoverTool stolen = restore(*evil, pair.rescuer);
  const Digest hash = must(announce(stolen)).hash();
  pair.clock->now_ms += 24 * kHourMs - 1;
  pair.cloud.custodian().sweep();
  settle(pair.cloud, pair.company);
  save(pair.cloud);
  HandoverTool admin = refresh();
  must(admin.ask(pair.cloud, protocol::HandoverStep::veto, {hash.begin(), hash.end()}));
  settle(pair.cloud, pair.company);

  put_back(pair.cloud);
  EXPECT_NE(settle(pair.cloud, pair.company), "");
  HandoverTool again = restore(*evil, pair.rescuer);
  EXPECT_TRUE(contains(consents(again), "were not announced")) << consents(again);
  // Announced again, everybody is told again, and has all the time to object.
  heard.clear();
  must(announce(again));
  EXPECT_EQ(heard, std::vector<std::string>{"announced"});
  pair.clock->now_ms += 24 * kHourMs - 1;
  HandoverTool early = restore(*evil, pair.rescuer);
  EXPECT_TRUE(contains(consents(early), "may begin")) << consents(early);
}

// The same of a backup, whether a peer is heard or the operator accepts it alone.
TEST_P(Announced, NoWaitIsForgottenWithABackup) {
  const auto evil = another("evilcompany");
  HandoverTool stolen = restore(*evil, pair.rescuer);
  must(announce(stolen));
  pair.clock->now_ms += 24 * kHourMs;
  pair.cloud.custodian().sweep();
  settle(pair.cloud, pair.company);
  save(pair.cloud);
  for (const bool accepted : {false, true}) {
    put_back(pair.cloud, true);
    if (accepted)
      EXPECT_TRUE(must(pair.cloud.custodian().peers().accept_restored()));
    else
      settle(pair.cloud, pair.company);
    HandoverTool late = restore(*evil, pair.rescuer);
    EXPECT_TRUE(contains(consents(late), "were not announced")) << consents(late);
    EXPECT_TRUE(late.status(pair.cloud).announced.empty());
    reopen(pair.cloud);
    EXPECT_TRUE(late.status(pair.cloud).announced.empty());
  }
}

// A veto that the copy has stays.
TEST_P(Announced, AVetoThatAStoreHasStaysWhenItIsPutBack) {
  const auto evil = another("evilcompany");
  HandoverTool stolen = restore(*evil, pair.rescuer);
  const Digest hash = must(announce(stolen)).hash();
  HandoverTool admin = refresh();
  must(admin.ask(pair.cloud, protocol::HandoverStep::veto, {hash.begin(), hash.end()}));
  save(pair.cloud);
  must(admin.offer_at(pair.cloud));
  settle(pair.cloud, pair.company);
  put_back(pair.cloud);
  EXPECT_NE(settle(pair.cloud, pair.company), "");
  pair.clock->now_ms += 61'000;
  HandoverTool again = restore(*evil, pair.rescuer);
  EXPECT_EQ(code_of(announce(again)), "denied");
}

// Whoever sets the host's clock forward does not shorten the wait.
TEST_P(Announced, AClockThatIsSetForwardEndsNoWait) {
  const auto company = another("newcompany");
  HandoverTool own = restore(*company, pair.rescuer);
  const auto notice = must(announce(own));
  EXPECT_EQ(notice.running_left_ms, 24 * kHourMs);
  pair.clock->set_forward(36 * kHourMs);
  HandoverTool early = restore(*company, pair.rescuer);
  EXPECT_EQ(code_of(early.consent_at(pair.cloud)), "limited");
  EXPECT_TRUE(contains(consents(early), "once this agent has run for another 86400 s")) << consents(early);
  // Counted over restarts; what a killed process had not written is not counted.
  pair.clock->now_ms += 12 * kHourMs;
  pair.cloud.custodian().sweep();
  pair.clock->now_ms += 30'000;
  reopen(pair.cloud);
  HandoverTool half = restore(*company, pair.rescuer);
  EXPECT_TRUE(contains(consents(half), "another 43200 s")) << consents(half);
  pair.clock->now_ms += 12 * kHourMs;
  HandoverTool later = restore(*company, pair.rescuer);
  EXPECT_EQ(consents(later), "ok");
}

}  // namespace
}  // namespace coprotect::agent::custodian
