#include "agent/custodian/peers.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/drill_signature.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

// Stores that are put back, and what the other agent makes of it.
namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::SuiteId;
using testing::TestAgent;

class PutBack : public ::testing::Test {
 protected:
  PutBack() {
    pair.onboard();
    file.emplace(testing::encrypt(pair.bundle()));
    settle(pair.cloud, pair.company);
    settle(pair.company, pair.cloud);
  }

  PeerQuestion question(TestAgent& asker) { return must(asker.custodian().peers().ask()).at(0); }
  Result<Bytes> bring(const PeerQuestion& question, TestAgent& asker, TestAgent& asked) {
    return asked.call(ipc::Route::peer_state, "", asker.tls_certificate(), question.body);
  }
  Result<PeerHeard> exchange(TestAgent& asker, TestAgent& asked) {
    const auto asking = question(asker);
    const auto answer = bring(asking, asker, asked);
    if (!answer) return answer.error();
    return asker.custodian().peers().heard(asking, *answer);
  }
  // As often as it takes; the news, if there are any.
  std::string settle(TestAgent& asker, TestAgent& asked) {
    std::string news;
    for (int i = 0; i < 4; ++i) {
      const auto heard = must(exchange(asker, asked));
      if (heard.news) news += *heard.news;
      if (!heard.ask_again) return news;
    }
    ADD_FAILURE() << "it does not come to an end";
    return news;
  }

  void save(TestAgent& agent) {
    agent.close();
    std::filesystem::copy_file(agent.store(), saved, std::filesystem::copy_options::overwrite_existing);
    agent.open();
  }
  void put_back(TestAgent& agent, bool marked = false) {
    agent.close();
    std::filesystem::copy_file(saved, agent.store(), std::filesystem::copy_options::overwrite_existing);
    if (marked) std::ofstream(agent.folder() / "restored") << "by a test\n";
    agent.open();
  }
  // Both agents take a list, and the cloud's is put back to before it. The peer's word brings it again.
  void give_and_put_back(ipc::Route route, const Bytes& list) {
    for (TestAgent* const agent : {&pair.cloud, &pair.company})
      must(agent->call(route, "acme", pair.admin.certificate.der(), list));
    settle(pair.cloud, pair.company);
    later();
    put_back(pair.cloud);
    must(decrypt(pair.cloud));  // not yet heard
    settle(pair.cloud, pair.company);
  }
  // Whether alice's part of a file is to be had.
  Result<protocol::PartialReply> decrypt(TestAgent& agent) {
    return testing::partials(agent, pair.bundle(), pair.ask_for(agent, {&*file}), pair.alice);
  }
  void expect_refused(TestAgent& agent, Code code, const std::string& words) {
    const auto refused = decrypt(agent);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), code) << refused.error().message();
    EXPECT_NE(refused.error().message().find(words), std::string::npos) << refused.error().message();
  }
  nlohmann::json health(TestAgent& agent) {
    const Bytes report = must(agent.call(ipc::Route::health, "", pair.admin.certificate.der(), {}));
    return nlohmann::json::parse(report);
  }
  // What the log says of the store.
  std::vector<protocol::LogEntry> store_entries(TestAgent& agent) {
    std::vector<protocol::LogEntry> found;
    for (const auto& entry : testing::read_log(agent, pair.bundle(), pair.admin))
      if (entry.kind == EntryKind::store) found.push_back(entry);
    return found;
  }
  void later() { pair.clock->now_ms += 1000; }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), SuiteId::p256};
  std::optional<testing::TestFile> file;
  std::filesystem::path saved = scratch / "saved.db";
};

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

TEST_F(PutBack, BringsNoRemovedClientBack) {
  save(pair.cloud);
  pair.acme.remove(pair.alice);
  give_and_put_back(ipc::Route::client_list_put, pair.acme.next_list());
  expect_refused(pair.cloud, Code::unauthenticated, "not enrolled");
}

// What came step by step is more than one step for who missed all of them.
TEST_F(PutBack, CatchesUpWithSeveralLeapsOfAList) {
  save(pair.cloud);
  pair.acme.remove(pair.alice);
  std::uint64_t serial = 1;
  for (int leaps = 0; leaps < 2; ++leaps) {
    const Bytes list = pair.acme.list(serial += kMaxSerialStep);
    for (testing::TestAgent* const agent : {&pair.cloud, &pair.company})
      must(agent->call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(), list));
  }
  give_and_put_back(ipc::Route::client_list_put, pair.acme.list(serial + kMaxSerialStep));
  expect_refused(pair.cloud, Code::unauthenticated, "not enrolled");
}

TEST_F(PutBack, BringsNoDisabledKeyBack) {
  save(pair.cloud);
  const std::int64_t now = pair.cloud.now_ms();
  const Bytes list = protocol::KeyList{
      .tenant = "acme",
      .serial = 1,
      .time_ms = now,
      .keys = {{pair.bundle().key_id(), protocol::KeyUse::disabled,
                now}}}.sign(pair.acme.ca_key());
  give_and_put_back(ipc::Route::key_list_put, list);
  expect_refused(pair.cloud, Code::denied, "the key is disabled");
}

// The peer itself has not got the newest list: what the agent remembers of itself is enough to refuse.
TEST_F(PutBack, IsRefusedWhileTheListIsOlder) {
  save(pair.cloud);
  pair.acme.remove(pair.alice);
  const Bytes list = pair.acme.next_list();
  must(pair.cloud.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(), list));
  settle(pair.cloud, pair.company);
  later();
  put_back(pair.cloud);
  settle(pair.cloud, pair.company);
  expect_refused(pair.cloud, Code::unavailable, "client list of tenant \"acme\" has serial 1");
  EXPECT_EQ(health(pair.cloud)["status"], "degraded");
  pair.cloud.close();
  pair.cloud.open();  // it does not forget
  expect_refused(pair.cloud, Code::unavailable, "client list of tenant");
  must(pair.cloud.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(), list));
  expect_refused(pair.cloud, Code::unauthenticated, "not enrolled");
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
  EXPECT_FALSE(std::filesystem::exists(pair.cloud.folder() / "restored"));
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
  EXPECT_EQ(code_age(), 90);
  const protocol::Sharing sharing = pair.bundle().sharing();
  const auto proof = protocol::prove_code_opened(sharing.sid, report, pair.tool.recovery_key());
  report.proof.assign(proof.begin(), proof.end());
  ++report.evidence[0];
  EXPECT_EQ(tell(pair.admin).error().code(), Code::bad_proof);
  EXPECT_EQ(code_age(), 90);
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
