#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/message/key_list.h"

// Handovers to other holders, and who may ask for them.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverStep;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::kHourMs;
using testing::opens;
using testing::RecoveryShare;
using testing::TestAgent;

class Holders : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  Holders() : HandoverFixture(GetParam()) {}
  // The company's machines are gone; its share is restored into another agent.
  HandoverTool restore(TestAgent& company, const testing::TestClient& client) {
    HandoverTool tool(bundle, {&pair.cloud}, client,
                      {.t = 2, .agents = {{&pair.cloud, 1}, {&company, 2}}, .recovery = 3}, {1, 3});
    tool.deal_with(3, pair.tool.recovery_share());
    tool.offer();
    tool.plan();
    return tool;
  }
  static void finish(HandoverTool& tool) {
    tool.deal();
    tool.prepare();
    tool.sign();
    tool.activate();
  }
  static protocol::Announcement announced_by(const HandoverTool& tool) {
    return protocol::Announcement::of(tool.the_plan()->parameters);
  }
  static Bytes hash_of(const protocol::HandoverNotice& notice) {
    const Digest hash = notice.hash();
    return {hash.begin(), hash.end()};
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, Holders, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(Holders, ALostCompanyIsRestoredAfterTheAnnouncedWait) {
  std::vector<std::string> heard;
  pair.cloud.close();
  pair.cloud.notify = [&](const Notification& n) { heard.push_back(n.event); };
  pair.cloud.open();
  const auto company = another("newcompany");
  HandoverTool tool = restore(*company, pair.rescuer);
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "denied");
  EXPECT_EQ(why(tool.deal_at(pair.cloud)),
            "these holders, with this recovery key, were not announced with this certificate");

  const auto layout = announced_by(tool).encode();
  const auto notice =
      must(protocol::HandoverNotice::parse(must(tool.ask(pair.cloud, HandoverStep::announce, layout))));
  EXPECT_EQ(notice.not_before_ms, pair.clock->now_ms + 24 * kHourMs);
  EXPECT_EQ(notice.client, pair.rescuer.uri);
  EXPECT_EQ(heard, std::vector<std::string>{"announced"});
  // Announced again, nothing changes.
  pair.clock->now_ms += kHourMs;
  const auto again =
      must(protocol::HandoverNotice::parse(must(tool.ask(pair.cloud, HandoverStep::announce, layout))));
  EXPECT_EQ(again.not_before_ms, notice.not_before_ms);
  EXPECT_EQ(heard.size(), 1u);
  EXPECT_EQ(tool.status(pair.cloud).announced.at(0).what, announced_by(tool));

  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "limited");
  pair.cloud.custodian().sweep();  // counts how long it ran, as each minute
  reopen(pair.cloud);
  pair.clock->now_ms += 23 * kHourMs - 1;
  HandoverTool later = restore(*company, pair.rescuer);
  EXPECT_EQ(code_of(later.deal_at(pair.cloud)), "limited");
  pair.clock->now_ms += 1;
  finish(later);
  EXPECT_EQ(heard, (std::vector<std::string>{"announced", "activated"}));
  enrol_at(*company);
  must(later.retire_at(pair.cloud));
  must(later.retire_at(*company));
  bundle = later.bundle();
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, company.get()}));
  EXPECT_TRUE(later.status(pair.cloud).announced.empty());

  // The old company's agent, should it come back, is told that others took over.
  must(later.retire_at(pair.company));
  EXPECT_EQ(
      must(pair.company.call(ipc::Route::bundle, to_hex(bundle.key_id()), pair.alice.certificate.der(), {})),
      bundle.encoded());
  HandoverTool next(bundle, {&pair.cloud, company.get()}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 2});
  next.run();
  EXPECT_TRUE(opens(next.bundle(), pair.alice, {&pair.cloud, company.get()}));
}

// Whoever stops using an old key, and then loses its machines, gets the key back: shares move, and nothing is
// decrypted.
TEST_P(Holders, ADisabledKeyIsHandedOnAndADestroyedOneIsNot) {
  std::uint64_t serial = 0;
  const auto tell = [&](protocol::KeyUse use) {
    const protocol::KeyList list{.tenant = "acme",
                                 .serial = ++serial,
                                 .time_ms = pair.clock->now_ms,
                                 .keys = {{bundle.key_id(), use, pair.clock->now_ms + 1000 * kHourMs}}};
    for (TestAgent* const agent : {&pair.cloud, &pair.company})
      must(agent->call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                       list.sign(pair.acme.ca_key())));
  };
  tell(protocol::KeyUse::disabled);
  HandoverTool refreshed = refresh();
  refreshed.run();
  bundle = refreshed.bundle();
  EXPECT_TRUE(ceremonies(pair.cloud).back().starts_with("handover: removed the shares before epoch 1"));
  tell(protocol::KeyUse::decrypt_only);
  const Bytes kept = testing::recovery_of(pair.cloud, bundle, pair.rescuer).second;
  const auto recovery = must(must(protocol::RecoveryParts::parse(bundle.group(), kept))
                                 .open(pair.tool.recovery_key(), bundle.sharing()));
  const auto company = another("newcompany");
  const auto restored = [&] {
    HandoverTool tool(bundle, {&pair.cloud}, pair.rescuer,
                      {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
    tool.deal_with(3, recovery);
    tool.offer();
    tool.plan();
    return tool;
  };
  HandoverTool announcing = restored();
  tell(protocol::KeyUse::disabled);

  // Kit and code alone are told nothing that they could keep before everybody could object.
  const auto parts = [&] {
    const auto asking = testing::ask(pair.cloud, bundle, protocol::RecoveryShareBody{});
    return why(testing::answer(pair.cloud, asking, pair.rescuer));
  };
  const std::string later =
      "the key is disabled: its recovery parts are given only for new holders that were announced, once "
      "those may begin";
  EXPECT_EQ(parts(), later);
  const auto notice = must(announce(announcing));
  EXPECT_EQ(parts(), later);
  EXPECT_EQ(code_of(refresh().ask(pair.cloud, HandoverStep::veto)), "not-found") << "it can be objected to";
  pair.clock->now_ms += 25 * kHourMs;
  EXPECT_EQ(parts(), "ok");
  tell(protocol::KeyUse::destroyed);
  EXPECT_EQ(parts(), "the key is destroyed");
  EXPECT_EQ(why(announcing.offer_at(pair.cloud)), "the key is destroyed");
  EXPECT_EQ(why(announcing.ask(pair.cloud, HandoverStep::abort)), "the key is destroyed");
  EXPECT_EQ(why(refresh().ask(pair.cloud, HandoverStep::veto, hash_of(notice))), "the key is destroyed");
  EXPECT_EQ(announcing.status(pair.cloud).announced.size(), 1u);
  tell(protocol::KeyUse::disabled);
  HandoverTool tool = restored();
  finish(tool);
  enrol_at(*company);
  must(tool.retire_at(pair.cloud));
  must(tool.retire_at(*company));
  bundle = tool.bundle();
  EXPECT_EQ(parts(), later);
  tell(protocol::KeyUse::decrypt_only);
  must(company->call(
      ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
      must(pair.cloud.call(ipc::Route::key_list_get, "acme", pair.admin.certificate.der(), {}))));
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, company.get()}));
}

TEST_P(Holders, OtherHoldersThanAnnouncedAreDenied) {
  const auto company = another("newcompany");
  const auto other = another("othercompany");
  HandoverTool tool = restore(*company, pair.rescuer);
  must(tool.ask(pair.cloud, HandoverStep::announce, announced_by(tool).encode()));
  pair.clock->now_ms += 25 * kHourMs;
  HandoverTool different = restore(*other, pair.rescuer);
  EXPECT_EQ(why(different.deal_at(pair.cloud)),
            "these holders, with this recovery key, were not announced with this certificate");
  // Announcing them begins the wait anew.
  must(different.ask(pair.cloud, HandoverStep::announce, announced_by(different).encode()));
  EXPECT_EQ(code_of(different.deal_at(pair.cloud)), "limited");
  HandoverTool first = restore(*company, pair.rescuer);
  EXPECT_EQ(code_of(first.deal_at(pair.cloud)), "denied");
}

TEST_P(Holders, AnAdministratorVetoes) {
  const auto company = another("newcompany");
  HandoverTool tool = restore(*company, pair.rescuer);
  EXPECT_EQ(why(tool.ask(pair.cloud, HandoverStep::veto)), "a veto needs a certificate of role admin");
  HandoverTool admin = refresh();
  EXPECT_EQ(code_of(admin.ask(pair.cloud, HandoverStep::veto)), "not-found");
  const Bytes layout = announced_by(tool).encode();
  const auto notice =
      must(protocol::HandoverNotice::parse(must(tool.ask(pair.cloud, HandoverStep::announce, layout))));
  EXPECT_EQ(code_of(admin.ask(pair.cloud, HandoverStep::veto)), "not-found");
  must(admin.ask(pair.cloud, HandoverStep::veto, hash_of(notice)));
  must(admin.ask(pair.cloud, HandoverStep::veto, hash_of(notice)));
  reopen(pair.cloud);
  EXPECT_TRUE(admin.status(pair.cloud).announced.at(0).vetoed);
  pair.clock->now_ms += 25 * kHourMs;
  HandoverTool later = restore(*company, pair.rescuer);
  EXPECT_EQ(why(later.deal_at(pair.cloud)), "these holders were announced, and vetoed");
  EXPECT_EQ(code_of(later.ask(pair.cloud, HandoverStep::announce, layout)), "denied");
  const auto said = ceremonies(pair.cloud);
  EXPECT_TRUE(contains(said.back(), pair.admin.uri + " vetoes what " + pair.rescuer.uri + " announced"));
  EXPECT_TRUE(contains(said[said.size() - 2], "announces new holders"));
}

TEST_P(Holders, AProviderThatIsReplacedKeepsTheBundleAndNoShare) {
  const auto provider = another("newcloud");
  HandoverTool tool(bundle, {&pair.company, &pair.cloud}, pair.admin,
                    {.t = 2, .agents = {{provider.get(), 1}, {&pair.company, 2}}, .recovery = 3}, {2, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.company);
  tool.offer();
  tool.plan();
  finish(tool);
  enrol_at(*provider);
  tool.retire();  // the old provider, too
  const auto next = tool.bundle();
  EXPECT_TRUE(opens(next, pair.alice, {provider.get(), &pair.company}));

  const auto told = [&] {
    return must(
        pair.cloud.call(ipc::Route::bundle, to_hex(bundle.key_id()), pair.alice.certificate.der(), {}));
  };
  EXPECT_EQ(told(), next.encoded());
  must(tool.retire_at(pair.cloud));  // may be repeated
  reopen(pair.cloud);
  EXPECT_EQ(told(), next.encoded());
  must(tool.retire_at(pair.cloud));
  EXPECT_EQ(pair.cloud.custodian().trust().authorities.size(), 2u);  // clients still get in
  EXPECT_TRUE(pair.cloud.custodian().trust().peers.empty());
  const auto file = testing::encrypt(next);
  const auto refused = [&](const protocol::Bundle& of) {
    protocol::PartialDecryptBody body;
    body.items.push_back(testing::item_of(file, of));
    const auto asking = testing::ask(pair.cloud, of, std::move(body));
    return code_of(testing::partials(pair.cloud, of, asking, pair.alice));
  };
  EXPECT_EQ(refused(bundle), "not-found");
  EXPECT_EQ(refused(next), "not-found");
  for (const auto step : {HandoverStep::status, HandoverStep::offer, HandoverStep::deal, HandoverStep::abort})
    EXPECT_FALSE(tool.ask(pair.cloud, step));
}

TEST_P(Holders, MovesToThreeOfFiveAndBack) {
  const auto cloud_b = another("cloud-b");
  const auto company_b = another("company-b");
  HandoverTool larger(
      bundle, {&pair.cloud, &pair.company}, pair.admin,
      {.t = 3,
       .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {cloud_b.get(), 3}, {company_b.get(), 4}},
       .recovery = 5},
      {1, 2});
  larger.approve(pair.cloud);
  larger.approve(pair.company);
  larger.run();
  for (TestAgent* const agent : {cloud_b.get(), company_b.get()}) enrol_at(*agent);
  bundle = larger.bundle();
  EXPECT_EQ(bundle.parameters()->t, 3);
  const auto [blob, parts] = testing::recovery_of(*cloud_b, bundle, pair.rescuer);
  EXPECT_EQ(blob, pair.tool.blob());
  const auto recovery = must(must(protocol::RecoveryParts::parse(bundle.group(), parts))
                                 .open(pair.tool.recovery_key(), bundle.sharing()));
  const std::vector<TestAgent*> four{&pair.cloud, &pair.company, cloud_b.get(), company_b.get()};
  for (std::size_t left_out = 0; left_out < four.size(); ++left_out) {
    std::vector<TestAgent*> quorum = four;
    quorum.erase(quorum.begin() + static_cast<std::ptrdiff_t>(left_out));
    EXPECT_TRUE(opens(bundle, pair.alice, quorum)) << left_out;
    quorum.pop_back();
    EXPECT_FALSE(opens(bundle, pair.alice, quorum)) << left_out;
    EXPECT_TRUE(opens(bundle, pair.alice, quorum, RecoveryShare{5, recovery})) << left_out;
  }

  HandoverTool back(bundle, four, pair.admin, same_holders(), {1, 3, 5});
  back.deal_with(5, recovery);
  for (TestAgent* const agent : four) back.approve(*agent);
  back.run();
  EXPECT_TRUE(opens(back.bundle(), pair.alice, {&pair.cloud, &pair.company}));
  EXPECT_EQ(back.bundle().sharing().h, pair.bundle().sharing().h);
}

TEST_P(Holders, WithoutARecoveryPartyNoBlobIsKept) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}}}, {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  tool.run();
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
  const auto asking = testing::ask(pair.cloud, tool.bundle(), protocol::RecoveryShareBody{});
  EXPECT_EQ(testing::answer(pair.cloud, asking, pair.admin).error().code(), Code::not_found);
}

TEST_P(Holders, UsersMayAskNothing) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.alice, same_holders(), {1, 2});
  for (int step = 1; step <= 10; ++step) {
    const auto refused = tool.ask(pair.cloud, static_cast<HandoverStep>(step));
    EXPECT_EQ(code_of(refused), "denied") << step;
    EXPECT_EQ(why(refused), "handover needs a certificate of role recovery or admin");
  }
}

// The tool chooses the parties, and whoever deals may be its accomplice: each agent refuses for itself.
class Quorum : public Holders {
 protected:
  // Everybody gets a share, of a plan that is changed before it is made.
  template <typename Change>
  HandoverTool planned(TestAgent& joiner, Change change) {
    HandoverTool tool(bundle, {&pair.cloud}, pair.admin,
                      {.t = 2, .agents = {{&pair.cloud, 1}, {&joiner, 2}}, .recovery = 3}, {1, 3});
    tool.deal_with(3, pair.tool.recovery_share());
    tool.approve(pair.cloud);
    tool.offer();
    change(tool.fields());
    tool.plan();
    return tool;
  }
  void expect_refused_by_all(HandoverTool& tool, TestAgent& joiner, const std::string& words) {
    const std::vector<std::pair<std::string, std::string>> answers = {
        {code_of(tool.consent_at(pair.cloud)), why(tool.consent_at(pair.cloud))},
        {code_of(tool.deal_at(pair.cloud)), why(tool.deal_at(pair.cloud))},
        {code_of(tool.prepare_at(joiner)), why(tool.prepare_at(joiner))}};
    for (const auto& [code, message] : answers) {
      EXPECT_EQ(code, "denied");
      EXPECT_TRUE(contains(message, words)) << message;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, Quorum, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(Quorum, NobodyBecomesOneByAHandover) {
  const auto joiner = another("newcompany");
  HandoverTool alone = planned(*joiner, [](auto& fields) { fields.t = 1; });
  expect_refused_by_all(alone, *joiner, "party \"cloud\" would hold 1 of the 1 shares that suffice");
  HandoverTool two = planned(*joiner, [](auto& fields) {
    fields.n = 4;
    fields.parties[1].indices = {2, 4};
  });
  EXPECT_TRUE(contains(why(two.deal_at(pair.cloud)), "party \"newcompany\" would hold 2 of the 2 shares"));
  EXPECT_EQ(code_of(two.prepare_at(*joiner)), "denied");
}

// The dealer's operator allows that it has the key alone. Whoever joins gives no name for that.
TEST_P(Quorum, NobodyJoinsAKeyThatAnotherHasAlone) {
  pair.cloud.close();
  pair.cloud.allow_sole_holder = true;
  pair.cloud.open();
  const auto joiner = another("newcompany");
  HandoverTool tool = planned(*joiner, [](auto& fields) {
    fields.n = 4;
    fields.parties[0].indices = {1, 4};
  });
  tool.deal();
  EXPECT_EQ(why(tool.prepare_at(pair.cloud)), "ok");
  const auto refused = tool.prepare_at(*joiner);
  EXPECT_EQ(code_of(refused), "denied");
  EXPECT_EQ(why(refused), "parameters: party \"cloud\" would hold 2 of the 2 shares that suffice");
}

TEST_P(Quorum, MoreThanPeopleReadAreMadeByNoHandover) {
  const auto joiner = another("newcompany");
  HandoverTool tool = planned(*joiner, [&](auto& fields) {
    for (std::uint8_t index = 4; index <= 8; ++index)
      fields.parties.push_back(
          testing::stranger("other-" + std::to_string(index), index, pair.clock->now_ms));
    fields.t = 4;
    fields.n = 8;
  });
  expect_refused_by_all(tool, *joiner, "more than 64 quorums of organisations could use the key");
}

}  // namespace
}  // namespace coprotect::agent::custodian
