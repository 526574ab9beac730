#include "agent/custodian/peers.h"

#include <gtest/gtest.h>

#include "agent/custodian/testing/test_put_back.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/drill_signature.h"

// Stores that are put back, and what the other agent makes of it.
namespace coprotect::agent::custodian {
namespace {

using testing::PutBack;
using testing::TestAgent;

TEST_F(PutBack, IsNoticedAndCaughtUp) {
  save(pair.cloud);
  for (int i = 0; i < 3; ++i) must(decrypt(pair.cloud));
  settle(pair.cloud, pair.company);
  const auto last = testing::read_log(pair.cloud, pair.bundle(), pair.admin).back();
  settle(pair.cloud, pair.company);
  later();
  put_back(pair.cloud);

  EXPECT_EQ(health(pair.cloud)["store"], "ok");  // nobody has told it yet
  const std::string news = settle(pair.cloud, pair.company);
  EXPECT_NE(news.find("are lost, which agent \"company\" remembers"), std::string::npos) << news;
  must(decrypt(pair.cloud));
  const auto said = store_entries(pair.cloud);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_GT(said[0].seq, last.seq);
  EXPECT_EQ(said[0].tenant, protocol::kNoTenant);
  EXPECT_EQ(settle(pair.cloud, pair.company), "");

  // The gap is read again at a start, and found in order.
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(settle(pair.cloud, pair.company), "");
  must(decrypt(pair.cloud));
}

TEST_F(PutBack, IsNoticedAfterItWentOnByItself) {
  save(pair.cloud);
  must(decrypt(pair.cloud));
  settle(pair.cloud, pair.company);
  later();
  put_back(pair.cloud);
  for (int i = 0; i < 5; ++i) must(decrypt(pair.cloud));  // longer than what is lost
  // The first question must not replace what the peer remembers of the other branch.
  const std::string news = settle(pair.cloud, pair.company);
  EXPECT_NE(news.find("were others, which agent \"company\" remembers"), std::string::npos) << news;
  later();
  must(decrypt(pair.cloud));
  EXPECT_EQ(store_entries(pair.cloud).size(), 1u);
  EXPECT_EQ(settle(pair.cloud, pair.company), "");
}

TEST_F(PutBack, AnswersNoOldRequestAgain) {
  save(pair.cloud);
  const auto asking = pair.ask_for(pair.cloud, {&*file});
  const Bytes request = asking.signed_by(pair.alice);
  const auto send = [&] { return testing::send(pair.cloud, asking, request, pair.alice.certificate.der()); };
  must(send());
  settle(pair.cloud, pair.company);
  later();
  put_back(pair.cloud);
  settle(pair.cloud, pair.company);
  const auto again = send();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::replayed);
}

TEST_F(PutBack, ServesNothingWhileItIsMarked) {
  save(pair.cloud);
  put_back(pair.cloud, true);
  expect_refused(pair.cloud, Code::unavailable, "restored from a backup");
  const Bytes peer = pair.admin.certificate.der();
  for (const auto& [route, subject] : {std::pair{ipc::Route::bundle, to_hex(pair.bundle().key_id())},
                                       {ipc::Route::client_list_get, std::string("acme")},
                                       {ipc::Route::open, std::string()}}) {
    const auto refused = pair.cloud.call(route, subject, peer, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::unavailable);
  }
  EXPECT_EQ(health(pair.cloud)["status"], "degraded");
  pair.cloud.close();
  pair.cloud.open();
  expect_refused(pair.cloud, Code::unavailable, "restored from a backup");

  settle(pair.cloud, pair.company);  // nothing was lost that anybody knows of
  EXPECT_FALSE(std::filesystem::exists(pair.cloud.state() / "restored"));
  must(decrypt(pair.cloud));
  EXPECT_EQ(health(pair.cloud)["status"], "ok");
  ASSERT_EQ(store_entries(pair.cloud).size(), 1u);
  EXPECT_NE(store_entries(pair.cloud)[0].detail.find("restored from a backup"), std::string::npos);
}

TEST_F(PutBack, IsAcceptedOnTheOperatorsWord) {
  EXPECT_FALSE(must(pair.cloud.custodian().peers().accept_restored()));
  save(pair.cloud);
  put_back(pair.cloud, true);
  later();
  EXPECT_TRUE(must(pair.cloud.custodian().peers().accept_restored()));
  must(decrypt(pair.cloud));
  ASSERT_EQ(store_entries(pair.cloud).size(), 1u);
  EXPECT_NE(store_entries(pair.cloud)[0].detail.find("accepted by the operator"), std::string::npos);
}

TEST_F(PutBack, ServesAgainOnlyOnceItCouldWriteThatDown) {
  save(pair.cloud);
  must(decrypt(pair.cloud));
  settle(pair.cloud, pair.company);
  later();
  put_back(pair.cloud);
  const auto asking = question(pair.cloud);
  const Bytes answer = must(bring(asking, pair.cloud, pair.company));
  {
    // Fills the disk as the store sees it, to the last page.
    auto& store = pair.cloud.custodian().store();
    store.limit_pages(1);
    for (bool full = false; !full;) full = !decrypt(pair.cloud);
  }
  EXPECT_FALSE(pair.cloud.custodian().peers().heard(asking, answer));
  pair.cloud.custodian().store().limit_pages(1'000'000);
  expect_refused(pair.cloud, Code::unavailable, "older than one that it had before");
  EXPECT_EQ(health(pair.cloud)["store"], "this agent's store is older than one that it had before");
  settle(pair.cloud, pair.company);
  must(decrypt(pair.cloud));
}

// An epoch that the agent had and has no more: its share is worthless, and the key is refused for good.
TEST_F(PutBack, RefusesAKeyOfAnOlderEpoch) {
  auto own = must(protocol::PeerQuestion::parse(question(pair.cloud).body));
  own.state.epochs.at(pair.bundle().key_id()) = 1;
  const auto keyring =
      must(hsm::Keyring::open(hsm::Token(testing::token_at(token.uri())), pair.cloud.folder() / "keyring"));
  const auto asking = question(pair.cloud);
  const protocol::PeerAnswer answer{.answerer = asking.peer,
                                    .question = protocol::sha256(asking.body),
                                    .remembered = own.sign(keyring.identity()),
                                    .lists = {}};
  const auto peer =
      must(hsm::Keyring::open(hsm::Token(testing::token_at(token.uri())), pair.company.folder() / "keyring"));
  const auto heard = must(pair.cloud.custodian().peers().heard(asking, answer.sign(peer.identity())));
  EXPECT_NE(heard.news.value_or("").find("was in epoch 1"), std::string::npos);
  for (int i = 0; i < 2; ++i) {
    expect_refused(pair.cloud, Code::unavailable, "run coprotect-provision restore");
    EXPECT_EQ(store_entries(pair.cloud).size(), 1u);  // the log is to be had
    pair.cloud.close();
    pair.cloud.open();
  }
}

TEST_F(PutBack, BelievesNoLies) {
  const auto keyring_of = [&](TestAgent& agent) {
    return must(hsm::Keyring::open(hsm::Token(testing::token_at(token.uri())), agent.folder() / "keyring"));
  };
  const auto company = keyring_of(pair.company);
  const auto asking = question(pair.cloud);
  auto lie = must(protocol::PeerQuestion::parse(asking.body));
  const auto told = [&](const Bytes& remembered, const hsm::Keyring& by) {
    const protocol::PeerAnswer answer{.answerer = asking.peer,
                                      .question = protocol::sha256(asking.body),
                                      .remembered = remembered,
                                      .lists = {{protocol::ListKind::clients, {1, 2, 3}}}};
    return pair.cloud.custodian().peers().heard(asking, answer.sign(by.identity()));
  };
  // A newer state that this agent never signed.
  lie.asker = company.identity().public_key().bytes();
  lie.state.head = protocol::LogHead::sign(1000, 1, Digest{9}, company.identity());
  const auto lied = told(lie.sign(company.identity()), company);
  ASSERT_FALSE(lied);
  EXPECT_EQ(lied.error().code(), Code::bad_proof);
  EXPECT_FALSE(told({1, 2, 3}, company));
  // What it signed for another peer, and an answer in the peer's name.
  auto other = must(protocol::PeerQuestion::parse(asking.body));
  other.asked = pair.alice.key.public_key().bytes();
  const auto cloud = keyring_of(pair.cloud);
  EXPECT_EQ(told(other.sign(cloud.identity()), company).error().code(), Code::bad_proof);
  EXPECT_EQ(told({}, cloud).error().code(), Code::unauthenticated);
  // The answer to another question.
  const auto earlier = question(pair.cloud);
  const Bytes old = must(bring(earlier, pair.cloud, pair.company));
  EXPECT_EQ(pair.cloud.custodian().peers().heard(asking, old).error().code(), Code::unauthenticated);
  must(decrypt(pair.cloud));
}

TEST_F(PutBack, HearsNobodyElse) {
  const auto asking = question(pair.cloud);
  const auto refused = [&](ByteView certificate, Bytes body, Code code) {
    const auto answer = pair.company.call(ipc::Route::peer_state, "", certificate, std::move(body));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), code) << answer.error().message();
  };
  refused(pair.alice.certificate.der(), asking.body, Code::denied);
  refused(pair.company.tls_certificate(), asking.body, Code::denied);
  refused({}, asking.body, Code::denied);
  refused(pair.cloud.tls_certificate(), {1, 2}, Code::malformed);
  refused(pair.company.tls_certificate(), question(pair.company).body, Code::denied);  // of itself
  // A question for another agent, passed on.
  auto other = must(protocol::PeerQuestion::parse(asking.body));
  other.asked = other.asker;
  const auto keyring =
      must(hsm::Keyring::open(hsm::Token(testing::token_at(token.uri())), pair.cloud.folder() / "keyring"));
  refused(pair.cloud.tls_certificate(), other.sign(keyring.identity()), Code::denied);
}

TEST_F(PutBack, IsSeenWhateverIsReplayed) {
  save(pair.cloud);
  const auto old = question(pair.cloud);
  for (int i = 0; i < 2; ++i) must(decrypt(pair.cloud));
  settle(pair.cloud, pair.company);
  later();
  // An old question, again: the newer one stays.
  must(bring(old, pair.cloud, pair.company));
  put_back(pair.cloud);
  EXPECT_NE(settle(pair.cloud, pair.company), "");
}

// What an agent signed of itself counts for ever: a later word that says less, because its store was put back
// and it knows no better, or because somebody has its identity key, takes the place of none.
TEST_F(PutBack, IsRememberedWhateverTheAgentSaysOfItselfLater) {
  const auto cloud =
      must(hsm::Keyring::open(hsm::Token(testing::token_at(token.uri())), pair.cloud.folder() / "keyring"));
  const protocol::KeyId& key_id = pair.bundle().key_id();
  const auto remembered = [&] {
    auto asking = must(protocol::PeerQuestion::parse(question(pair.cloud).body));
    const auto answer = must(protocol::PeerAnswer::parse(must(pair.company.call(
        ipc::Route::peer_state, "", pair.cloud.tls_certificate(), asking.sign(cloud.identity())))));
    return answer.remembered;
  };
  const auto say = [&](auto change) {
    auto asking = must(protocol::PeerQuestion::parse(remembered()));
    asking.known = protocol::sha256(remembered());
    change(asking.state);
    const Bytes body = asking.sign(cloud.identity());
    must(pair.company.call(ipc::Route::peer_state, "", pair.cloud.tls_certificate(), body));
    return remembered() == body;
  };
  EXPECT_TRUE(say([&](auto& state) { state.epochs.at(key_id) = 2; }));
  EXPECT_TRUE(say([&](auto& state) { state.said.at(key_id) = {.acknowledged = 3, .decided = 4}; }));
  EXPECT_FALSE(say([&](auto& state) { state.epochs.at(key_id) = 1; }));
  EXPECT_FALSE(say([&](auto& state) {
    state.epochs.clear();
    state.said.clear();
  }));
  EXPECT_FALSE(say([&](auto& state) { state.said.at(key_id).acknowledged = 2; }));
  EXPECT_FALSE(say([&](auto& state) { state.said.at(key_id).decided = 3; }));
  EXPECT_TRUE(say([&](auto& state) { state.serials.begin()->second = 9; }));
  EXPECT_FALSE(say([&](auto& state) { state.serials.begin()->second = 8; }));
  EXPECT_FALSE(say([&](auto& state) { state.serials.clear(); }));
  EXPECT_FALSE(say([&](auto& state) { state.head.reset(); }));
  EXPECT_FALSE(
      say([&](auto& state) { state.head = protocol::LogHead::sign(1, 1, Digest{9}, cloud.identity()); }));
  EXPECT_TRUE(say([&](auto& state) {
    state.said.at(key_id).decided = 5;
    state.head = protocol::LogHead::sign(1000, 1, Digest{9}, cloud.identity());
  }));
}

TEST_F(PutBack, IsFoundOutIfARowWasAltered) {
  pair.cloud.close();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(pair.cloud.store().c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "UPDATE peer_questions SET question = x'00'", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  const auto opened = pair.cloud.try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::altered);
}

TEST_F(PutBack, TellsWhenTheLastDrillWas) {
  EXPECT_TRUE(health(pair.cloud)["last_drill_age_seconds"].is_null());
  protocol::DrillReportBody report{.time_ms = 1, .evidence = {7}, .passed = 2, .failed = 1};
  const auto tell = [&](const testing::TestClient& client) {
    return testing::answer(pair.cloud, testing::ask(pair.cloud, pair.bundle(), report), client);
  };
  must(tell(pair.admin));  // one that failed
  EXPECT_TRUE(health(pair.cloud)["last_drill_age_seconds"].is_null());
  report.failed = 0;
  EXPECT_EQ(tell(pair.alice).error().code(), Code::denied);
  must(tell(pair.admin));
  pair.clock->now_ms += 90'000;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(health(pair.cloud)["last_drill_age_seconds"], 90);
    pair.cloud.close();
    pair.cloud.open();
  }
  // An administrator who has not opened the code cannot say so: the recovery key does.
  const auto code_age = [&] { return health(pair.cloud)["recovery_code_age_seconds"]; };
  EXPECT_TRUE(code_age().is_null());
  const protocol::Sharing sharing = pair.bundle().sharing();
  const auto proof = protocol::prove_code_opened(sharing.sid, report, pair.tool.recovery_key());
  report.proof.assign(proof.begin(), proof.end());
  ++report.evidence[0];
  EXPECT_EQ(tell(pair.admin).error().code(), Code::bad_proof);
  EXPECT_TRUE(code_age().is_null());
  --report.evidence[0];
  must(tell(pair.admin));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(code_age(), 0);
    pair.cloud.close();
    pair.cloud.open();
  }
  // Nor does the tool, which asks for an activation once more.
  pair.clock->now_ms += 5'000;
  must(pair.tool.post(0, ipc::Route::activate, pair.bundle().encoded()));
  EXPECT_EQ(code_age(), 5);
  // Who may not read the key is not told.
  const auto stranger = pair.cloud.call(ipc::Route::health, "", {}, {});
  EXPECT_TRUE(nlohmann::json::parse(must(stranger))["last_drill_age_seconds"].is_null());
  EXPECT_EQ(testing::read_log(pair.cloud, pair.bundle(), pair.admin).at(0).seq, 1u);
}

}  // namespace
}  // namespace coprotect::agent::custodian
