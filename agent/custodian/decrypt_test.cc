#include <gtest/gtest.h>

#include <thread>

#include "agent/custodian/testing/handover_tool.h"
#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/partial.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

// What an enrolled client gets: its part of a file, from both agents; and what stands in the log afterwards.
namespace coprotect::agent::custodian {
namespace {

using protocol::Action;
using protocol::EntryKind;
using protocol::ItemStatus;
using protocol::SuiteId;
using testing::encrypt;

class Decrypt : public ::testing::TestWithParam<SuiteId> {
 protected:
  Decrypt() { pair.onboard(); }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Suites, Decrypt, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(Decrypt, TwoAgentsOpenOneFileTogether) {
  const auto file = encrypt(pair.bundle());
  std::vector<protocol::IndexedPartial> quorum;
  for (auto* agent : {&pair.cloud, &pair.company}) {
    auto reply = must(testing::partials(*agent, pair.bundle(), pair.ask_for(*agent, {&file}), pair.alice));
    ASSERT_EQ(reply.items.size(), 1u);
    ASSERT_EQ(reply.items[0].status, ItemStatus::done);
    quorum.push_back({reply.index, *reply.items[0].value});
  }
  const auto& stanza = *must(file.header.stanza_for(pair.bundle().key_id()));
  const auto m = must(protocol::combine(stanza.ciphertext.c2, quorum));
  EXPECT_TRUE(equal_in_constant_time(must(file.header.unlock(m)), file.file_key));
  EXPECT_EQ(pair.cloud.computed(), 1);
  EXPECT_EQ(pair.company.computed(), 1);
}

TEST_P(Decrypt, OneAgentAndTheRecoveryShareDo) {
  const auto file = encrypt(pair.bundle());
  const auto& stanza = *must(file.header.stanza_for(pair.bundle().key_id()));
  auto asking = pair.ask_for(pair.cloud, {&file});
  asking.request.action = Action::recover;
  auto reply = must(testing::partials(pair.cloud, pair.bundle(), asking, pair.rescuer));
  const auto own = pair.bundle().group().power_secret(stanza.ciphertext.c1, pair.tool.recovery_share());
  const std::vector<protocol::IndexedPartial> quorum = {{reply.index, *reply.items[0].value}, {3, own}};
  const auto m = must(protocol::combine(stanza.ciphertext.c2, quorum));
  EXPECT_TRUE(equal_in_constant_time(must(file.header.unlock(m)), file.file_key));
}

TEST_P(Decrypt, InABatchTheRestIsDone) {
  const auto open = encrypt(pair.bundle());
  const auto for_bob =
      encrypt(pair.bundle(), R"({"version":1,"allow":{"users":["coprotect:acme:user:bob"]}})");
  const auto for_staff =
      encrypt(pair.bundle(), R"({"version":1,"allow":{"groups":["coprotect:acme:group:staff"]}})");
  auto asking = pair.ask_for(pair.cloud, {&open, &for_bob, &for_staff, &open});
  auto& items = std::get<protocol::PartialDecryptBody>(asking.request.body).items;
  items[3].core = items[2].core;  // a stanza that was moved to another file

  const auto reply = must(testing::partials(pair.cloud, pair.bundle(), asking, pair.alice));
  ASSERT_EQ(reply.items.size(), 4u);
  EXPECT_EQ(reply.items[0].status, ItemStatus::done);
  EXPECT_EQ(reply.items[1].status, ItemStatus::denied_by_file);
  EXPECT_NE(reply.items[1].detail, "");
  EXPECT_EQ(reply.items[2].status, ItemStatus::done);
  EXPECT_EQ(reply.items[3].status, ItemStatus::bad_proof);
  EXPECT_TRUE(reply.proof);

  const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
  const auto& result = log[log.size() - 2];  // the last is the intent to read the log
  EXPECT_EQ(result.kind, EntryKind::result);
  EXPECT_EQ(result.client, pair.alice.uri);
  EXPECT_EQ(result.reason, "a test");
  ASSERT_EQ(result.items.size(), 4u);
  EXPECT_EQ(result.items[3].status, ItemStatus::bad_proof);
}

// What is wrong with one item costs that item.
TEST_P(Decrypt, DamagedItemsAreTold) {
  const auto file = encrypt(pair.bundle());
  const auto& group = pair.bundle().group();
  auto asking = pair.ask_for(pair.cloud, {&file, &file, &file, &file});
  auto& items = std::get<protocol::PartialDecryptBody>(asking.request.body).items;
  items[0].core.clear();
  items[1].stanza_type = 2;
  // In the last one, c1 is no element: c1 ‖ ū ‖ 32 ‖ 32 ‖ f stand before the certificates and the signature.
  Bytes message = asking.signed_by(pair.alice);
  const std::size_t tail = 3 + pair.alice.certificate.der().size() + 64;
  const std::size_t c1 = message.size() - tail - group.scalar_size() - 64 - 2 * group.element_size();
  std::fill_n(message.begin() + static_cast<std::ptrdiff_t>(c1), group.element_size(), std::uint8_t{0xff});
  message = testing::signed_again(std::move(message), pair.alice);

  const auto opened = must(testing::send(pair.cloud, asking, message, pair.alice.certificate.der()));
  const auto reply = std::move(must(protocol::parse_partial_replies(opened.reveal(), group)).front());
  ASSERT_EQ(reply.items.size(), 4u);
  for (const std::size_t i : {0u, 1u, 3u}) {
    EXPECT_EQ(reply.items[i].status, ItemStatus::malformed) << i;
    EXPECT_NE(reply.items[i].detail, "") << i;
  }
  EXPECT_EQ(reply.items[2].status, ItemStatus::done);
  const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
  const auto& result = log[log.size() - 2];
  ASSERT_EQ(result.items.size(), 4u);
  EXPECT_EQ(result.items[3].status, ItemStatus::malformed);
  EXPECT_EQ(result.items[3].c1_hash, protocol::sha256(Bytes(group.element_size(), 0xff)));
}

TEST_P(Decrypt, WithoutAnItemToDoNoShareIsTouched) {
  const auto for_bob =
      encrypt(pair.bundle(), R"({"version":1,"allow":{"users":["coprotect:acme:user:bob"]}})");
  const auto asking = pair.ask_for(pair.cloud, {&for_bob});
  const auto reply = must(testing::partials(pair.cloud, pair.bundle(), asking, pair.alice));
  EXPECT_EQ(reply.items[0].status, ItemStatus::denied_by_file);
  EXPECT_FALSE(reply.proof);
  EXPECT_EQ(pair.cloud.computed(), 0);

  const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
  EXPECT_EQ(log[log.size() - 3].kind, EntryKind::refusal);
  EXPECT_EQ(log[log.size() - 3].outcome, "denied");
}

TEST_P(Decrypt, OneFlippedPolicyByteIsRefusedBeforeTheShareIsTouched) {
  const auto file =
      encrypt(pair.bundle(), R"({"version":1,"allow":{"users":["coprotect:acme:user:alicf"]}})");
  auto asking = pair.ask_for(pair.cloud, {&file});
  auto& core = std::get<protocol::PartialDecryptBody>(asking.request.body).items[0].core;
  const std::string text(text_of(core));
  core[text.find("alicf") + 4] = 'e';  // now it names alice

  const auto reply = must(testing::partials(pair.cloud, pair.bundle(), asking, pair.alice));
  EXPECT_EQ(reply.items[0].status, ItemStatus::bad_proof);
  EXPECT_EQ(pair.cloud.computed(), 0);
}

TEST_P(Decrypt, DatesHold) {
  const auto past = encrypt(
      pair.bundle(),
      R"({"version":1,"allow":{"users":["coprotect:acme:user:alice"]},"not_after":"2020-01-01T00:00:00Z"})");
  const auto future = encrypt(
      pair.bundle(),
      R"({"version":1,"allow":{"users":["coprotect:acme:user:alice"]},"not_before":"2090-01-01T00:00:00Z"})");
  auto asking = pair.ask_for(pair.cloud, {&past, &future});
  const auto reply = must(testing::partials(pair.cloud, pair.bundle(), asking, pair.alice));
  EXPECT_EQ(reply.items[0].status, ItemStatus::denied_by_file);
  EXPECT_EQ(reply.items[1].status, ItemStatus::denied_by_file);
  EXPECT_EQ(pair.cloud.computed(), 0);

  // The file's dates do not bind who recovers; this agent's policy does.
  asking = pair.ask_for(pair.cloud, {&past});
  asking.request.action = Action::recover;
  EXPECT_EQ(must(testing::partials(pair.cloud, pair.bundle(), asking, pair.rescuer)).items[0].status,
            ItemStatus::done);
}

TEST_P(Decrypt, IntentStandsBeforeResult) {
  const auto file = encrypt(pair.bundle());
  must(testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice));
  const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
  ASSERT_GE(log.size(), 3u);
  const auto& intent = log[log.size() - 3];
  const auto& result = log[log.size() - 2];
  EXPECT_EQ(intent.kind, EntryKind::intent);
  EXPECT_EQ(intent.detail, "partial-decrypt");
  EXPECT_EQ(intent.action, static_cast<std::uint8_t>(Action::view));
  EXPECT_EQ(result.kind, EntryKind::result);
  EXPECT_EQ(result.outcome, "ok");
  EXPECT_EQ(result.request_hash, intent.request_hash);
  EXPECT_EQ(result.request_id, intent.request_id);
}

TEST_P(Decrypt, AdministratorsGetTheBlobAndRecoveryAdministratorsThePartsToo) {
  const auto& bundle = pair.bundle();
  for (testing::TestAgent* const agent : {&pair.cloud, &pair.company}) {
    const auto [own_blob, own_parts] = testing::recovery_of(*agent, bundle, pair.admin);
    EXPECT_EQ(own_blob, pair.tool.blob());
    EXPECT_TRUE(own_parts.empty());
    const auto [blob, parts] = testing::recovery_of(*agent, bundle, pair.rescuer);
    EXPECT_EQ(blob, pair.tool.blob());
    const auto parsed = must(protocol::RecoveryParts::parse(bundle.group(), parts));
    EXPECT_TRUE(parsed.check(bundle.sharing(), system_random()));
    EXPECT_TRUE(parsed.open(pair.tool.recovery_key(), bundle.sharing()));
  }
}

TEST_P(Decrypt, WorksAfterARestart) {
  pair.cloud.close();
  pair.cloud.open();
  const auto file = encrypt(pair.bundle());
  const auto reply =
      must(testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice));
  EXPECT_EQ(reply.items[0].status, ItemStatus::done);
}

// It begins, is recorded, and its caller goes: no share is used any more, and the log says so.
TEST_P(Decrypt, OfACallerWhoHasGoneEnds) {
  const auto file = encrypt(pair.bundle());
  const auto asking = pair.ask_for(pair.cloud, {&file, &file, &file});
  Interest caller;
  pair.cloud.caller = &caller;
  *pair.cloud.on_use = [&] { caller.give_up(); };
  const auto answered = testing::answer(pair.cloud, asking, pair.alice);
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().code(), Code::unavailable);
  EXPECT_EQ(pair.cloud.computed(), 1);
  pair.cloud.caller = nullptr;
  *pair.cloud.on_use = nullptr;

  const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
  const auto& intent = log[log.size() - 3];
  const auto& result = log[log.size() - 2];
  EXPECT_EQ(intent.kind, EntryKind::intent);
  EXPECT_EQ(result.kind, EntryKind::result);
  EXPECT_EQ(result.outcome, "unavailable");
  EXPECT_EQ(result.detail, "partial-decrypt: given up after 0 of 3 items: the caller has gone");
  EXPECT_EQ(result.request_id, intent.request_id);
  // It says nothing of the token.
  const Bytes report = must(pair.cloud.call(ipc::Route::health, "", pair.admin.certificate.der(), {}));
  const std::string_view health = text_of(report);
  EXPECT_EQ(health.find("given up"), std::string::npos) << health;
  // It was answered, and is not answered again.
  const auto again = testing::answer(pair.cloud, asking, pair.alice);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::replayed);
}

// A client whose time is over before its items are judged has used up nothing, and may ask again.
TEST_P(Decrypt, OfACallerWhoseTimeIsOverDoesNotBegin) {
  const auto file = encrypt(pair.bundle());
  const auto asking = pair.ask_for(pair.cloud, {&file, &file});
  const Interest over(Interest::Clock::now());
  pair.cloud.caller = &over;
  const auto answered = testing::answer(pair.cloud, asking, pair.alice);
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().code(), Code::unavailable);
  EXPECT_EQ(pair.cloud.computed(), 0);
  pair.cloud.caller = nullptr;
  const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
  const auto& refusal = log[log.size() - 2];
  EXPECT_EQ(refusal.kind, EntryKind::refusal);
  EXPECT_EQ(refusal.detail,
            "partial-decrypt: judging: given up after 0 of 2 items: the request's time is over");
  EXPECT_TRUE(testing::answer(pair.cloud, asking, pair.alice));
}

TEST_P(Decrypt, AnswersSeveralThreads) {
  const auto file = encrypt(pair.bundle());
  std::vector<std::jthread> threads;
  std::atomic<int> done{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const auto reply =
            testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice);
        if (reply && reply->items[0].status == ItemStatus::done) ++done;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(done, 20);
  EXPECT_EQ(pair.cloud.computed(), 20);
  testing::read_log(pair.cloud, pair.bundle(), pair.admin);  // one chain
}

}  // namespace
}  // namespace coprotect::agent::custodian
