#include <gtest/gtest.h>

#include <algorithm>

#include "agent/custodian/testing/test_handover.h"

// An agent that says both: that it uses an epoch, and that it never will. One honest agent may hear the one,
// another the other; the key is torn by neither.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::opens;
using testing::statement;
using testing::TestAgent;

class Equivocation : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  Equivocation() : HandoverFixture(GetParam()) {}

  // What a thief of an agent's identity, or a hostile agent, says of the handover whatever it said before.
  static protocol::Statement lie(const HandoverTool& tool, const TestAgent& agent) {
    return statement(agent, protocol::void_handover(tool.sid(), agent.stolen_identity()));
  }
  // Active at the cloud, prepared at the company: which says that it never acknowledges it, and does not.
  void go_back(HandoverTool& tool) {
    const auto said = must(tool.abort_at(pair.cloud, {lie(tool, pair.company)}));
    must(tool.abort_at(pair.company, {statement(pair.cloud, said)}));
  }
};

TEST_P(Equivocation, AnEpochThatAllAcknowledgedIsNeverLostByAVoid) {
  HandoverTool tool = refresh();
  tool.run_to_sign();
  tool.activate();  // both say that they use it: whoever has both words erases the epoch before
  const auto lying = lie(tool, pair.company);
  must(tool.abort_at(pair.cloud, {lying}));
  EXPECT_EQ(tool.status(pair.cloud).epoch, 0u);
  EXPECT_EQ(code_of(tool.activate_at(pair.cloud)), "conflict");
  must(tool.abort_at(pair.cloud));  // again
  reopen(pair.cloud);

  must(tool.retire_at(pair.company));
  const auto shown = tool.status(pair.company).acknowledgements;
  EXPECT_EQ(shown.size(), 2u);
  must(tool.ask(pair.cloud, protocol::HandoverStep::retire,
                protocol::RetireRequest{tool.version, shown}.encode()));
  EXPECT_EQ(tool.status(pair.cloud).epoch, 1u);
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
  EXPECT_TRUE(contains(ceremonies(pair.cloud).back(), "which was taken back here: it is active again"));
  // Nobody's word counts any more.
  const auto refused = tool.abort_at(pair.cloud, {lying});
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_TRUE(contains(why(refused), "is finished")) << why(refused);
  reopen(pair.cloud);
  EXPECT_EQ(tool.status(pair.cloud).acknowledgements.size(), 2u);
  bundle = tool.bundle();
  HandoverTool next = refresh();
  next.run();
  EXPECT_TRUE(opens(next.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_P(Equivocation, WithoutAllAcknowledgementsItStaysTakenBack) {
  HandoverTool tool = refresh();
  tool.run_to_activate();
  must(tool.abort_at(pair.cloud, {lie(tool, pair.company)}));
  auto partly = tool.acknowledgements;
  partly.pop_back();
  for (const auto& acknowledgements : {partly, std::vector<protocol::Statement>{}}) {
    const auto refused = tool.ask(pair.cloud, protocol::HandoverStep::retire,
                                  protocol::RetireRequest{tool.version, acknowledgements}.encode());
    EXPECT_EQ(code_of(refused), "conflict");
    EXPECT_TRUE(contains(why(refused), "did not acknowledge")) << why(refused);
  }
  EXPECT_EQ(tool.status(pair.cloud).epoch, 0u);
}

TEST_P(Equivocation, WhatIsShelvedGoesWithTheNextAcknowledgedEpoch) {
  HandoverTool tool = refresh();
  tool.run_to_sign();
  must(tool.activate_at(pair.cloud));
  go_back(tool);
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  HandoverTool next = refresh();
  next.epoch = 2;
  next.run();
  EXPECT_TRUE(opens(next.bundle(), pair.alice, {&pair.cloud, &pair.company}));
  pair.cloud.close();
  sql(pair.cloud,
      "CREATE TABLE nothing_but_epoch_2(epoch INTEGER CHECK(epoch = 2)) STRICT; "
      "INSERT INTO nothing_but_epoch_2 SELECT epoch FROM keys");
}

// It gave the earlier one up before it acknowledged the later one, and so whatever order it is shown them in.
TEST_P(Equivocation, OfTwoEpochsThatAllAcknowledgedTheLaterOneCounts) {
  HandoverTool earlier = refresh();
  earlier.run_to_activate();
  const auto back_from = [&](HandoverTool& tool) {
    const auto said = must(tool.abort_at(pair.cloud, {lie(tool, pair.company)}));
    must(tool.abort_at(pair.company, {statement(pair.cloud, said)}));
  };
  back_from(earlier);
  HandoverTool later = refresh();
  later.epoch = 2;
  later.run_to_activate();
  back_from(later);
  EXPECT_EQ(later.status(pair.cloud).epoch, 0u);

  const auto show = [&](HandoverTool& tool, TestAgent& agent) {
    return tool.ask(agent, protocol::HandoverStep::retire,
                    protocol::RetireRequest{tool.version, tool.acknowledgements}.encode());
  };
  must(show(earlier, pair.cloud));
  EXPECT_EQ(earlier.status(pair.cloud).epoch, 1u);
  must(show(later, pair.cloud));
  EXPECT_EQ(later.status(pair.cloud).epoch, 2u);
  reopen(pair.cloud);
  EXPECT_EQ(code_of(show(earlier, pair.cloud)), "conflict");

  must(show(later, pair.company));
  const auto refused = show(earlier, pair.company);
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_EQ(later.status(pair.company).epoch, 2u);
  EXPECT_TRUE(opens(later.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

// Nobody put anything back: it said before that it has the epoch, and went back from it as the protocol says.
TEST_P(Equivocation, GoingBackIsNotTakenForAStoreThatWasPutBack) {
  HandoverTool tool = refresh();
  tool.run_to_sign();
  must(tool.activate_at(pair.cloud));
  settle(pair.cloud, pair.company);
  go_back(tool);
  pair.clock->now_ms += 60'000;
  settle(pair.cloud, pair.company);
  settle(pair.cloud, pair.company);
  must(tool.abort_at(pair.cloud));
  for (const auto& entry : testing::read_log(pair.cloud, bundle, pair.admin))
    EXPECT_NE(entry.kind, protocol::EntryKind::store) << entry.detail;
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

// Whoever owns all agents of a key puts them back, and hands the key over to the same epoch once more.
class AShelvedRow : public Equivocation {
 protected:
  // To three agents, of which one joins by an invitation of its own.
  HandoverTool with_joiner() {
    HandoverTool tool(
        bundle, {&pair.cloud, &pair.company}, pair.admin,
        {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {&*joiner, 3}}, .recovery = 4}, {1, 2});
    tool.approve(pair.cloud);
    tool.approve(pair.company);
    return tool;
  }
  void put_back_both() {
    for (TestAgent* const agent : {&pair.cloud, &pair.company}) put_back(*agent);
  }
  // Active at the joiner, which is shown the void of an agent that was put back.
  void shelve(HandoverTool& tool) {
    tool.run_to_sign();
    must(tool.activate_at(*joiner));
    enrol_at(*joiner);
    put_back_both();
    const auto said = must(tool.abort_at(pair.company));
    const protocol::AbortRequest request{tool.the_plan().encoded(), {statement(pair.company, said)}};
    must(tool.ask(*joiner, protocol::HandoverStep::abort, request.encode()));
    put_back_both();
  }
  // An agent's rows of keys as it reads them at its start, in a transaction of its store.
  struct Rows {
    explicit Rows(TestAgent& agent)
        : keyring(must(hsm::Keyring::open(hsm::Token(agent.token()), agent.folder() / "keyring"))),
          transaction(must(agent.custodian().store().begin())) {
      must(keys.load(transaction));
    }
    hsm::Keyring keyring;
    DueEpochs due{keyring};
    Keys keys{keyring, due};
    Transaction transaction;
  };
  std::unique_ptr<TestAgent> joiner = another("cloud-b");
};

TEST_P(AShelvedRow, IsNotOverwrittenByAnotherJoinToItsEpoch) {
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) save(*agent);
  HandoverTool first = with_joiner();
  shelve(first);
  HandoverTool again = with_joiner();
  again.run_to_deal();
  const auto refused = again.prepare_at(*joiner);
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_TRUE(contains(why(refused), "epoch 1 of the key was decided here before")) << why(refused);
  // Other tenants of the agent do not wait for somebody to mend its store.
  joiner->close();
  const auto opened = joiner->try_open();
  ASSERT_TRUE(opened) << why(opened);
  // The shares are kept: what it said before it says again, and a later epoch is joined.
  const protocol::AbortRequest request{first.the_plan().encoded(), {}};
  EXPECT_EQ(code_of(first.ask(*joiner, protocol::HandoverStep::abort, request.encode())), "ok");
  HandoverTool later = with_joiner();
  later.epoch = 2;
  later.run_to_activate();
  reopen(*joiner);
  EXPECT_TRUE(opens(later.bundle(), pair.alice, {&pair.cloud, &*joiner}));
}

// Whatever asks for it.
TEST_P(AShelvedRow, OrAnyOtherIsOverwrittenByNoHandoverButItsOwn) {
  HandoverTool tool = with_joiner();
  tool.run_to_sign();
  Rows rows(*joiner);
  Key other = *rows.keys.prepared(bundle.key_id());
  must(rows.keys.put(rows.transaction, std::make_shared<const Key>(other)));
  other.sharing.sid[0] ^= 1;
  const auto refused = rows.keys.put(rows.transaction, std::make_shared<const Key>(other));
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_TRUE(contains(why(refused), "of another handover")) << why(refused);
}

// Of a key that is not active the tenant's word to destroy it waits for nobody. Its lists stay, and are read.
TEST_P(AShelvedRow, OutlivesTheDestructionOfItsKey) {
  joiner->close();
  joiner->destroy_wait = std::chrono::seconds(1);
  joiner->open();
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) save(*agent);
  HandoverTool first = with_joiner();
  shelve(first);
  const std::int64_t now = pair.clock->now_ms;
  const protocol::KeyList destroyed{.tenant = "acme",
                                    .serial = 1,
                                    .time_ms = now,
                                    .keys = {{bundle.key_id(), protocol::KeyUse::destroyed, now + 2'000}}};
  must(joiner->call(Route::key_list_put, "acme", pair.admin.certificate.der(),
                    destroyed.sign(pair.acme.ca_key())));
  pair.clock->now_ms += 60'000;
  joiner->custodian().sweep();
  EXPECT_EQ(joiner->custodian().not_erased(), "");
  joiner->close();
  const auto opened = joiner->try_open();
  EXPECT_TRUE(opened) << why(opened);
}

// A key that is only prepared is enough to read a tenant's lists with. It is not enough to take new ones.
TEST_P(AShelvedRow, OrOneThatIsPreparedIsEnoughToStart) {
  HandoverTool tool = with_joiner();
  tool.run_to_sign();
  Rows rows(*joiner);
  const Bytes list = pair.acme.next_list();
  auto parsed = must(protocol::ClientList::parse(list, pair.acme.ca()));
  must(ClientLists(rows.keyring)
           .put(rows.transaction,
                std::make_shared<const EnrolledClients>(EnrolledClients{std::move(parsed), list}), 0));
  ClientLists read(rows.keyring);
  const auto loaded = read.load(rows.transaction, rows.keys);
  EXPECT_TRUE(loaded) << why(loaded);
  EXPECT_NE(read.of_tenant("acme"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Suites, AShelvedRow, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& instance) {
                           return std::string(protocol::suite_name(instance.param));
                         });
INSTANTIATE_TEST_SUITE_P(Suites, Equivocation, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& instance) {
                           return std::string(protocol::suite_name(instance.param));
                         });

}  // namespace
}  // namespace coprotect::agent::custodian
