#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/test_handover.h"
#include "protocol/message/drill_signature.h"
#include "swtpm-tests/harness/process.h"

// What the recovery party is dealt while it is not there: every agent checks it before it confirms, keeps it,
// and gives it to a recovery administrator alone.
namespace coprotect::agent::custodian {
namespace {

using protocol::Deal;
using protocol::HpkePrivateKey;
using protocol::RecoveryPart;
using protocol::RecoveryParts;
using protocol::RecoveryStatement;
using protocol::Scalar;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::opens;
using testing::RecoveryShare;

class HandoverRecovery : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  HandoverRecovery() : HandoverFixture(GetParam()) {}
  RecoveryParts parts_of(testing::TestAgent& agent, const protocol::Bundle& of) {
    return parts_of(agent, of, pair.rescuer);
  }
  RecoveryParts parts_of(testing::TestAgent& agent, const protocol::Bundle& of,
                         const testing::TestClient& rescuer) {
    return must(RecoveryParts::parse(of.group(), testing::recovery_of(agent, of, rescuer).second));
  }
  void approve(HandoverTool& tool) {
    tool.approve(pair.cloud);
    tool.approve(pair.company);
  }
  // Of the bundle's epoch, under the first code.
  Scalar share_3() {
    return must(parts_of(pair.cloud, bundle).open(pair.tool.recovery_key(), bundle.sharing()));
  }
  void expect_old_epoch_recovers() {
    for (testing::TestAgent* const agent : {&pair.cloud, &pair.company})
      EXPECT_TRUE(opens(bundle, pair.alice, {agent}, RecoveryShare{3, pair.tool.recovery_share()}));
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, HandoverRecovery, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(HandoverRecovery, BothAgentsKeepTheSamePartsAndTheyMakeTheShare) {
  for (int epoch = 0; epoch < 2; ++epoch) {
    const auto parts = parts_of(pair.cloud, bundle);
    EXPECT_EQ(parts.encoded(), parts_of(pair.company, bundle).encoded());
    EXPECT_TRUE(parts.check(bundle.sharing(), system_random()));
    const auto share = must(parts.open(pair.tool.recovery_key(), bundle.sharing()));
    EXPECT_TRUE(opens(bundle, pair.alice, {&pair.company}, RecoveryShare{3, share}));
    HandoverTool tool = refresh();
    tool.run();
    bundle = tool.bundle();
  }
}

// The dealer of index 3 here; to the agents one is as another.
TEST_P(HandoverRecovery, ADealerThatSealsSomethingElseIsRefusedByEveryAgentAndNamed) {
  const Scalar& share = pair.tool.recovery_share();
  const auto forge = [&](const protocol::HandoverPlan& plan, const Deal& honest, bool other_key) {
    RecoveryStatement statement = protocol::dealt_statement(plan, honest.open);
    if (other_key) statement.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
    const Scalar random = Scalar::random(plan.group().scalars(), system_random());
    return protocol::test::with_part(plan, honest, share,
                                     must(RecoveryPart::make(statement, random, system_random())));
  };
  for (const bool other_key : {false, true}) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 3});
    tool.epoch = other_key ? 2 : 1;  // the first one's number is used up
    tool.deal_with(3, share);
    approve(tool);
    tool.run_to_deal();
    const Deal honest = must(Deal::parse(tool.deals[1], tool.the_plan()));
    tool.deals[1] = forge(tool.the_plan(), honest, other_key).encode();
    for (testing::TestAgent* const agent : {&pair.cloud, &pair.company}) {
      const auto refused = tool.prepare_at(*agent);
      EXPECT_EQ(code_of(refused), "bad-proof");
      EXPECT_EQ(why(refused), "dealer 3: its recovery part for index 3 does not hold");
    }
    expect_old_epoch_recovers();
    must(tool.abort_at(pair.cloud));
    must(tool.abort_at(pair.company));
  }
  expect_old_epoch_recovers();
}

// The same at an agent that joins, which has nothing yet to compare with; and a share that is not its own.
TEST_P(HandoverRecovery, AnAgentThatJoinsRefusesADealerThatSealsSomethingElseAndNamesIt) {
  const Scalar& share = pair.tool.recovery_share();
  const auto third = another("third");
  const auto joining = [&](std::uint32_t epoch) {
    auto tool = std::make_unique<HandoverTool>(
        bundle, std::vector<testing::TestAgent*>{&pair.cloud, &pair.company}, pair.admin,
        testing::NewHolders{.t = 2, .agents = {{&pair.cloud, 1}, {third.get(), 2}}, .recovery = 3},
        std::vector<std::uint8_t>{1, 3});
    tool->epoch = epoch;
    tool->deal_with(3, share);
    tool->approve(pair.cloud);
    tool->offer();
    tool->plan();
    tool->deal();
    return tool;
  };
  using Lie = std::function<Deal(const protocol::HandoverPlan&, const Deal&)>;
  const auto part = [&](bool for_another_key) {
    return [&share, for_another_key](const protocol::HandoverPlan& plan, const Deal& honest) {
      RecoveryStatement statement = protocol::dealt_statement(plan, honest.open);
      if (for_another_key) statement.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
      const Scalar random = Scalar::random(plan.group().scalars(), system_random());
      return protocol::test::with_part(plan, honest, share,
                                       must(RecoveryPart::make(statement, random, system_random())));
    };
  };
  const auto value = [&share](std::uint8_t index) {
    return [&share, index](const protocol::HandoverPlan& plan, const Deal& honest) {
      return protocol::test::with_value(plan, honest, share, index,
                                        Scalar::random(plan.group().scalars(), system_random()));
    };
  };
  const std::vector<std::pair<Lie, std::string>> lies = {
      {part(false), "dealer 3: its recovery part for index 3 does not hold"},
      {part(true), "dealer 3: its recovery part for index 3 does not hold"},
      {value(2), "dealer of index 3: its value for index 2 does not match its commitments"}};
  std::uint32_t epoch = 0;
  for (const auto& [lie, words] : lies) {
    const auto tool = joining(++epoch);
    tool->deals[1] = lie(tool->the_plan(), must(Deal::parse(tool->deals[1], tool->the_plan()))).encode();
    const auto refused = tool->prepare_at(*third);
    EXPECT_EQ(code_of(refused), "bad-proof");
    EXPECT_EQ(why(refused), words);
    must(tool->post(*third, ipc::Route::abort, tool->void_message(*third)));
    must(tool->abort_at(pair.cloud));
    must(tool->abort_at(pair.company));
    expect_old_epoch_recovers();
  }
  const auto honest = joining(++epoch);
  honest->prepare();
  honest->sign();
  honest->activate();
  honest->retire();
  bundle = honest->bundle();
  enrol_at(*third);
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, third.get()}));
  const auto made = must(parts_of(*third, bundle).open(pair.tool.recovery_key(), bundle.sharing()));
  EXPECT_TRUE(opens(bundle, pair.alice, {third.get()}, RecoveryShare{3, made}));
}

TEST_P(HandoverRecovery, ANewCodeNeedsTheProofThatSomebodyHasIt) {
  std::uint32_t epoch = 0;
  const auto prepared = [&](auto change) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
    tool.epoch = ++epoch;  // of those that came to nothing the number is used up
    approve(tool);
    tool.run_to_deal();
    change(tool);
    auto result = tool.prepare_at(pair.cloud);
    if (!result) {
      must(tool.abort_at(pair.cloud));
      must(tool.abort_at(pair.company));
    }
    return result;
  };
  const auto none = prepared([](HandoverTool& tool) { tool.possession.clear(); });
  EXPECT_EQ(code_of(none), "bad-proof");
  const auto of_old = prepared([&](HandoverTool& tool) {
    const auto signature =
        protocol::prove_recovery_key(tool.sid(), protocol::sha256(tool.blob()), pair.tool.recovery_key());
    tool.possession.assign(signature.begin(), signature.end());
  });
  EXPECT_EQ(code_of(of_old), "bad-proof");
  const auto of_other_blob = prepared([&](HandoverTool& tool) {
    const auto signature = protocol::prove_recovery_key(tool.sid(), Digest{}, tool.recovery_key());
    tool.possession.assign(signature.begin(), signature.end());
  });
  EXPECT_EQ(code_of(of_other_blob), "bad-proof");
  // A blob of another recovery key than the plan's, of which its maker has the code.
  const auto blob_of_another = prepared([&](HandoverTool& tool) {
    const auto other = HpkePrivateKey::generate(system_random());
    const Secret code = Secret::copy_of(bytes_of("YYYY456789ABCDEFGHJKMNPQRSTV"));
    tool.send_blob(
        must(protocol::RecoveryBlob::seal_with({64, 1, 1}, {}, {}, code, bundle.key_id(), GetParam(), other))
            .first.encoded());
    const auto signature = protocol::prove_recovery_key(tool.sid(), protocol::sha256(tool.blob()), other);
    tool.possession.assign(signature.begin(), signature.end());
  });
  EXPECT_EQ(code_of(blob_of_another), "malformed");
  EXPECT_EQ(why(prepared([](HandoverTool&) {})), "ok");
}

// A hostile tool hands the key over to new agents alone, who have no blob to compare.
TEST_P(HandoverRecovery, APlanWithAnotherBlobIsRefusedByWhoHasTheBlob) {
  const auto third = another("third");
  const auto fourth = another("fourth");
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2, .agents = {{third.get(), 1}, {fourth.get(), 2}}, .recovery = 3}, {1, 2});
  tool.offer();
  Bytes blob = pair.tool.blob();
  blob.back() ^= 1;
  tool.send_blob(std::move(blob));
  tool.plan();
  for (testing::TestAgent* const agent : {&pair.cloud, &pair.company}) {
    for (const auto& refused : {code_of(tool.consent_at(*agent)), code_of(tool.deal_at(*agent))})
      EXPECT_EQ(refused, "denied");
    EXPECT_EQ(why(tool.consent_at(*agent)),
              "handover plan: it names another recovery blob than the one that this agent keeps");
  }
  // A refresh, which nobody consents to.
  HandoverTool same = refresh();
  same.offer();
  same.send_blob(tool.blob());
  same.plan();
  EXPECT_EQ(code_of(same.deal_at(pair.cloud)), "denied");
  expect_old_epoch_recovers();
}

// What the plan names is what each agent is given.
TEST_P(HandoverRecovery, AnAgentThatJoinsTakesNoOtherBlobThanThePlans) {
  const auto third = another("third");
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {third.get(), 2}}, .recovery = 3}, {1, 2});
  approve(tool);
  tool.run_to_deal();
  Bytes blob = tool.blob();
  blob.back() ^= 1;
  tool.send_blob(std::move(blob));
  const auto refused = tool.prepare_at(*third);
  EXPECT_EQ(code_of(refused), "malformed");
  EXPECT_EQ(why(refused), "the recovery blob is not the one that the plan names");
  tool.send_blob(pair.tool.blob());
  EXPECT_EQ(why(tool.prepare_at(*third)), "ok");
}

TEST_P(HandoverRecovery, AdministratorsGetTheBlobAndNoParts) {
  const auto [blob, parts] = testing::recovery_of(pair.cloud, bundle, pair.admin);
  EXPECT_EQ(blob, pair.tool.blob());
  EXPECT_TRUE(parts.empty());
  EXPECT_EQ(code_of(testing::answer(
                pair.cloud, testing::ask(pair.cloud, bundle, protocol::RecoveryShareBody{}), pair.alice)),
            "denied");
}

// A copy of the store without the token, and a store in which somebody puts one agent's record in another's
// place.
TEST_P(HandoverRecovery, PartsAtRestAreSealedAndBoundToTheirEpoch) {
  const auto parts = parts_of(pair.cloud, bundle);
  pair.cloud.close();
  const std::string content = harness::read_file(pair.cloud.store());
  const ByteView store = bytes_of(content);
  EXPECT_EQ(std::search(store.begin(), store.end(), parts.encoded().end() - 32, parts.encoded().end()),
            store.end());
  pair.cloud.open();
  EXPECT_EQ(parts_of(pair.cloud, bundle).encoded(), parts.encoded());
  pair.cloud.close();
  sql(pair.cloud,
      "UPDATE keys SET recovery_parts = "
      "CAST(substr(recovery_parts, 1, length(recovery_parts) - 1) || "
      "CASE substr(recovery_parts, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)");
  EXPECT_FALSE(pair.cloud.try_open());
}

// What was read at the start says nothing of a disk that loses the row later.
TEST_P(HandoverRecovery, PartsAreVerifiedAgainEachDayAndHealthSaysWhen) {
  constexpr std::int64_t kDayMs = 24 * testing::kHourMs;
  const auto age = [&] { return health_of(pair.cloud)["recovery_parts_age_seconds"]; };
  const auto problem = [&] { return health_of(pair.cloud)["recovery"].get<std::string>(); };
  // The same, in a reply that the agent signs.
  const auto said = [&] { return refresh().status(pair.cloud).condition; };
  const auto after = [&](std::int64_t ms) {
    pair.clock->now_ms += ms;
    pair.cloud.custodian().sweep();
  };
  EXPECT_TRUE(age().is_null());
  EXPECT_FALSE(said().parts_verified_ms);
  const std::int64_t made_ms = pair.clock->now_ms;
  after(0);
  EXPECT_EQ(age(), 0);
  after(kDayMs / 2);
  EXPECT_EQ(said().parts_verified_ms, made_ms);
  EXPECT_FALSE(said().code_opened_ms);  // the parts hold; nobody has opened them
  EXPECT_EQ(said().recovery, "");
  EXPECT_EQ(age(), 43200);
  sql(pair.cloud, "UPDATE keys SET recovery_parts = CAST(recovery_parts || x'00' AS BLOB)");
  after(kDayMs / 2 - 1000);
  EXPECT_EQ(problem(), "ok");
  after(1000);
  EXPECT_TRUE(contains(problem(), "was altered: its MAC does not hold")) << problem();
  EXPECT_EQ(said().recovery, problem());
  EXPECT_EQ(said().parts_verified_ms, pair.clock->now_ms - kDayMs);
  EXPECT_EQ(health_of(pair.cloud)["status"], "degraded");
  EXPECT_EQ(age(), 86400);
  // It serves all the same, and a backup that is put in its place is noticed soon.
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  sql(pair.cloud,
      "UPDATE keys SET recovery_parts = "
      "CAST(substr(recovery_parts, 1, length(recovery_parts) - 1) AS BLOB)");
  after(60'000);
  EXPECT_EQ(problem(), "ok");
  EXPECT_EQ(age(), 0);

  token.remove();
  after(kDayMs);
  EXPECT_NE(problem(), "ok");
  EXPECT_EQ(age(), 86400);
  token.restore();
  after(60'000);
  EXPECT_EQ(problem(), "ok");
  EXPECT_EQ(age(), 0);

  // Of a new epoch, other parts are kept.
  HandoverTool tool = refresh();
  tool.run();
  EXPECT_TRUE(age().is_null());
  after(0);
  EXPECT_EQ(age(), 0);
  EXPECT_EQ(problem(), "ok");
}

// Nothing that a tool does without the recovery key moves it, and a new code begins without a date.
TEST_P(HandoverRecovery, TheDateOfTheCodeMovesByItsProofAlone) {
  using Date = std::optional<std::int64_t>;
  const auto expect_date = [&](const Date& expected) {
    pair.clock->now_ms += 1000;
    EXPECT_EQ(refresh().status(pair.cloud).condition.code_opened_ms, expected);
    reopen(pair.cloud);
    EXPECT_EQ(refresh().status(pair.cloud).condition.code_opened_ms, expected);
    EXPECT_TRUE(health_of(pair.cloud)["last_drill_age_seconds"].is_null());
  };
  // As the tool does after a ceremony, without a drill. When the agent took it.
  const auto report = [&](const HpkePrivateKey& key) -> Result<std::int64_t> {
    protocol::DrillReportBody said{.time_ms = pair.clock->now_ms, .evidence = {}, .passed = 0, .failed = 0};
    const auto proof = protocol::prove_code_opened(bundle.sharing().sid, said, key);
    said.proof.assign(proof.begin(), proof.end());
    const auto taken =
        testing::answer(pair.cloud, testing::ask(pair.cloud, bundle, std::move(said)), pair.admin);
    if (!taken) return taken.error();
    return pair.clock->now_ms.load();
  };
  const auto hand_over = [&](bool new_code, std::vector<std::uint8_t> dealers) {
    auto tool =
        std::make_unique<HandoverTool>(bundle, std::vector<testing::TestAgent*>{&pair.cloud, &pair.company},
                                       pair.admin, same_holders(new_code), dealers);
    if (dealers.back() == 3) tool->deal_with(3, share_3());
    approve(*tool);
    return tool;
  };
  expect_date(std::nullopt);  // the key generation
  const Date first = must(report(pair.tool.recovery_key()));
  expect_date(first);
  const auto log = testing::read_log(pair.cloud, bundle, pair.admin);
  EXPECT_TRUE(std::ranges::any_of(log, [](const auto& entry) {
    return entry.kind == protocol::EntryKind::result &&
           entry.detail == "drill-report: no quorum, with the recovery code";
  }));

  // The recovery share deals: that opened the parts of the epoch before.
  auto tool = hand_over(false, {1, 3});
  tool->run();
  bundle = tool->bundle();
  expect_date(first);
  const Date second = must(report(pair.tool.recovery_key()));
  expect_date(second);

  // A new code that is taken back before its epoch is finished.
  tool = hand_over(true, {1, 2});
  tool->offer();
  tool->plan();
  tool->deal();
  tool->prepare();
  tool->sign();
  must(tool->activate_at(pair.cloud));
  expect_date(std::nullopt);
  const auto voided = must(tool->abort_at(pair.company));
  must(tool->abort_at(pair.cloud, {testing::statement(pair.company, voided)}));
  expect_date(second);

  tool = hand_over(true, {1, 2});
  tool->epoch = bundle.epoch() + 2;
  tool->run();
  bundle = tool->bundle();
  expect_date(std::nullopt);
  EXPECT_EQ(code_of(report(pair.tool.recovery_key())), "bad-proof");
  expect_date(std::nullopt);
  expect_date(must(report(tool->recovery_key())));
}

// A thief with kit and code, and with share and parts of one agent. No refresh undoes that; a new code does,
// for what is stolen afterwards.
TEST_P(HandoverRecovery, StolenPartsOpenWithAnOldKitUntilTheCodeIsNew) {
  const auto stolen_share = [&](const protocol::Bundle& of) {
    return parts_of(pair.cloud, of).open(pair.tool.recovery_key(), of.sharing());
  };
  const Scalar first = must(stolen_share(bundle));
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud}, RecoveryShare{3, first}));
  HandoverTool refreshed = refresh();
  refreshed.run();
  bundle = refreshed.bundle();
  EXPECT_FALSE(opens(bundle, pair.alice, {&pair.cloud}, RecoveryShare{3, first}));
  const Scalar second = must(stolen_share(bundle));
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud}, RecoveryShare{3, second}));

  const auto rescuer = pair.acme.enrol("recovery", "next");
  pair.publish_clients(pair.admin.certificate.der());
  HandoverTool renewed(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true, &rescuer),
                       {1, 2});
  approve(renewed);
  renewed.run();
  bundle = renewed.bundle();
  // The old kit's certificate gets none of the new parts, and the old key opens none.
  EXPECT_EQ(code_of(testing::answer(
                pair.cloud, testing::ask(pair.cloud, bundle, protocol::RecoveryShareBody{}), pair.rescuer)),
            "denied");
  EXPECT_FALSE(parts_of(pair.cloud, bundle, rescuer).open(pair.tool.recovery_key(), bundle.sharing()));
  EXPECT_FALSE(opens(bundle, pair.alice, {&pair.cloud}, RecoveryShare{3, second}));
  const auto share =
      must(parts_of(pair.cloud, bundle, rescuer).open(renewed.recovery_key(), bundle.sharing()));
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud}, RecoveryShare{3, share}));
}

}  // namespace
}  // namespace coprotect::agent::custodian
