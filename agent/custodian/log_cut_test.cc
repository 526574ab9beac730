// The beginning of an agent's log goes to an archive: what the agent needs of it stays, and nobody else can
// cut it.

#include <gtest/gtest.h>

#include "agent/custodian/testing/archives.h"
#include "agent/custodian/testing/run_sql.h"
#include "agent/custodian/testing/test_put_back.h"
#include "agent/custodian/testing/test_refusal.h"
#include "hsm/erasure_holds.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/key_list.h"

namespace coprotect::agent::custodian {
namespace {

using testing::archived;
using testing::entries_in;
using testing::last_entry;

class LogCut : public testing::PutBack {
 protected:
  LogCut() {
    for (int i = 0; i < 3; ++i) must(decrypt(pair.cloud));
    hear();
  }

  // Two questions: the peer shows what it kept of the first.
  void hear() {
    settle(pair.cloud, pair.company);
    settle(pair.cloud, pair.company);
  }
  hsm::LogCutRequest all_but_the_last() const { return archived(pair.cloud, last_entry(pair.cloud) - 1); }
  // Asks for it and lets a second go by. Why it is not done, or empty.
  std::string cut(const hsm::LogCutRequest& request) {
    pair.cloud.request_cut(request);
    return try_again();
  }
  std::string try_again() {
    pair.clock->now_ms += 61'000;
    pair.cloud.custodian().sweep();
    return pair.cloud.custodian().not_cut();
  }
  void reopen() {
    pair.cloud.close();
    pair.cloud.open();
  }
  // Opens the store after somebody wrote to it.
  std::string opens_after(const std::string& statements) {
    pair.cloud.close();
    const auto kept = pair.cloud.store().string() + ".kept";
    std::filesystem::copy_file(pair.cloud.store(), kept);
    testing::run_sql(pair.cloud.store(), statements);
    const auto opened = pair.cloud.try_open();
    pair.cloud.close();
    std::filesystem::rename(kept, pair.cloud.store());
    return opened ? "" : opened.error().message();
  }
  protocol::LogReply read(std::uint64_t from) {
    const Secret reply = must(testing::answer(
        pair.cloud, testing::ask(pair.cloud, pair.bundle(), protocol::LogBody{from, 1000}), pair.admin));
    return must(protocol::LogReply::parse(reply.reveal()));
  }
  static bool has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
    return true;
  }
};

TEST_F(LogCut, RemovesWhatIsInTheArchive) {
  const auto request = all_but_the_last();
  ASSERT_GT(request.seq, 4u);
  EXPECT_EQ(cut(request), "");
  EXPECT_EQ(entries_in(pair.cloud), 2u);  // the last one, and the one that says so
  must(decrypt(pair.cloud));

  const auto page = read(1);
  const auto signed_cut = must(protocol::LogCut::parse(page.cut));
  EXPECT_EQ(signed_cut.identity_key, pair.cloud.identity_key().bytes());
  EXPECT_EQ(signed_cut.seq, request.seq);
  EXPECT_EQ(signed_cut.count, request.count);
  EXPECT_EQ(signed_cut.chain, page.before);
  EXPECT_EQ(signed_cut.archive, request.archive);
  // Also from the middle of what is cut off; not behind it.
  EXPECT_EQ(read(request.seq).cut, page.cut);
  EXPECT_EQ(read(request.seq).before, page.before);
  EXPECT_TRUE(read(request.seq + 1).cut.empty());
  EXPECT_EQ(read(request.seq + 1).before, page.before);
  const auto said = store_entries(pair.cloud);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].operation, static_cast<std::uint8_t>(protocol::Recorded::cut_log));
  EXPECT_EQ(said[0].request_hash, protocol::sha256(page.cut));
  has(said[0].detail, "the operator moved entries 1.." + std::to_string(request.seq) + " to an archive");

  reopen();
  EXPECT_EQ(read(1).cut, page.cut);
  must(decrypt(pair.cloud));
  testing::read_log(pair.cloud, pair.bundle(), pair.admin);
}

TEST_F(LogCut, GoesOnFromTheOneBefore) {
  const auto first = archived(pair.cloud, 3);
  EXPECT_EQ(cut(first), "");
  must(decrypt(pair.cloud));
  hear();
  const auto second = all_but_the_last();
  EXPECT_EQ(second.after, 3u);
  EXPECT_EQ(cut(second), "");
  EXPECT_EQ(must(protocol::LogCut::parse(read(1).cut)).after, 3u);
  // What is done is not done again.
  EXPECT_EQ(cut(first), "");
  EXPECT_EQ(must(protocol::LogCut::parse(read(1).cut)).seq, second.seq);
  reopen();
  EXPECT_EQ(try_again(), "");
  must(decrypt(pair.cloud));
}

TEST_F(LogCut, WaitsUntilEveryAgentRemembersTheLog) {
  reopen();  // nobody was heard yet
  const auto request = all_but_the_last();
  has(cut(request), "until agent \"company\" was heard");
  EXPECT_GT(entries_in(pair.cloud), 4u);
  must(decrypt(pair.cloud));
  hear();
  EXPECT_EQ(try_again(), "");
  // Unless the operator says that none is left to wait for.
  reopen();
  auto alone = all_but_the_last();
  alone.unheard = true;
  EXPECT_EQ(cut(alone), "");
}

TEST_F(LogCut, IsNotObeyedUnlessTheOperatorSaysIt) {
  auto request = all_but_the_last();
  request.chain = Digest{1};
  has(cut(request), "has not the entries that it has");
  request = all_but_the_last();
  --request.count;
  has(cut(request), "has not the entries that it has");
  request = all_but_the_last();
  ++request.after;
  --request.count;
  has(cut(request), "the log has 1..");
  request = all_but_the_last();
  ++request.seq;
  has(cut(request), "the log has 1..");

  // One that another agent's operator made.
  pair.company.request_cut(all_but_the_last());
  const auto theirs = pair.company.folder() / "log-cuts/newest";
  const auto own = pair.cloud.folder() / "log-cuts/newest";
  std::filesystem::copy_file(theirs, own, std::filesystem::copy_options::overwrite_existing);
  has(try_again(), "its MAC does not hold");
  EXPECT_GT(entries_in(pair.cloud), 4u);
  must(decrypt(pair.cloud));
}

TEST_F(LogCut, IsTheOnlyThingThatALogMayBeginWith) {
  EXPECT_EQ(cut(archived(pair.cloud, 3)), "");
  pair.cloud.close();
  testing::run_sql(pair.cloud.store(), "CREATE TABLE aside.old AS SELECT * FROM log_cut");
  pair.cloud.open();
  must(decrypt(pair.cloud));
  hear();
  EXPECT_EQ(cut(archived(pair.cloud, last_entry(pair.cloud) - 2)), "");
  reopen();
  hear();

  EXPECT_EQ(opens_after("SELECT 1"), "");
  has(opens_after("DELETE FROM log_cut"), "entry 1 is missing");
  has(opens_after("DELETE FROM log_cut; INSERT INTO log_cut SELECT * FROM aside.old"), "entry 4 is missing");
  has(opens_after("DELETE FROM log WHERE seq=(SELECT min(seq) FROM log)"), "is missing");
  has(opens_after("UPDATE log_cut SET mac=zeroblob(32)"), "the MAC of its cut does not hold");
  has(opens_after("UPDATE log_cut SET state=CAST(state || x'00' AS BLOB)"), "MAC of its cut does not hold");
  // Signed by another agent, as anybody can sign for himself.
  const auto forged = protocol::LogCut::sign({.identity_key = {},
                                              .after = 0,
                                              .seq = 3,
                                              .chain = {},
                                              .count = 3,
                                              .archive = {},
                                              .time_ms = 1,
                                              .signature = {}},
                                             protocol::SigningKey::generate(system_random()));
  has(opens_after("UPDATE log_cut SET cut=x'" + to_hex(forged.encode()) + "'"),
      "MAC of its cut does not hold");
}

TEST_F(LogCut, OfALogWithoutOneIsNoticed) {
  has(opens_after("DELETE FROM log WHERE seq<4"), "entry 1 is missing");
}

TEST_F(LogCut, LeavesTheAgentsKnownToEachOther) {
  const auto early = archived(pair.cloud, last_entry(pair.cloud) - 1);
  save(pair.company);  // which remembers the log as it was
  must(decrypt(pair.cloud));
  hear();
  EXPECT_EQ(cut(all_but_the_last()), "");
  EXPECT_EQ(settle(pair.cloud, pair.company), "");
  reopen();
  EXPECT_EQ(settle(pair.cloud, pair.company), "");
  // An agent that is restored from before the cut remembers what cannot be compared any more.
  put_back(pair.company);
  EXPECT_EQ(settle(pair.cloud, pair.company), "");
  EXPECT_LT(early.seq, must(protocol::LogCut::parse(read(1).cut)).seq);
  must(decrypt(pair.cloud));
}

TEST_F(LogCut, BelievesAnAgentThatWasNotHeardBeforeIt) {
  reopen();
  must(decrypt(pair.cloud));
  auto alone = all_but_the_last();
  alone.unheard = true;
  EXPECT_EQ(cut(alone), "");
  has(settle(pair.cloud, pair.company), "which agent \"company\" remembers");
  EXPECT_EQ(settle(pair.cloud, pair.company), "");
}

TEST_F(LogCut, DoesNotHideThatTheStoreIsPutBack) {
  save(pair.cloud);
  must(decrypt(pair.cloud));
  hear();
  EXPECT_EQ(cut(all_but_the_last()), "");
  hear();
  put_back(pair.cloud);
  // The request still lies there, and is of the store that was lost.
  has(try_again(), "until agent");
  has(settle(pair.cloud, pair.company), "the store was put back");
  has(try_again(), "has");
  must(testing::answer(pair.cloud, testing::ask(pair.cloud, pair.bundle(), protocol::LogBody{1, 1000}),
                       pair.admin));
}

TEST_F(LogCut, KeepsRequestsFromBeingAnsweredAgain) {
  const auto asking = pair.ask_for(pair.cloud, {&*file});
  must(testing::answer(pair.cloud, asking, pair.alice));
  const auto later = pair.ask_for(pair.cloud, {&*file});  // signed before the cut, sent after it
  hear();
  ASSERT_EQ(cut(all_but_the_last()), "");
  for (int starts = 0; starts < 2; ++starts) {
    const auto again = testing::answer(pair.cloud, asking, pair.alice);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), Code::replayed) << again.error().message();
    reopen();
  }
  EXPECT_TRUE(testing::answer(pair.cloud, later, pair.alice));
}

TEST_F(LogCut, KeepsTheListsThatItTook) {
  pair.cloud.close();
  testing::run_sql(pair.cloud.store(), "CREATE TABLE aside.old AS SELECT * FROM client_lists");
  pair.cloud.open();
  must(pair.cloud.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(),
                       pair.acme.next_list()));
  must(decrypt(pair.cloud));
  hear();
  ASSERT_EQ(cut(all_but_the_last()), "");
  has(opens_after("DELETE FROM client_lists; INSERT INTO client_lists SELECT * FROM aside.old"),
      "is not the last one in the log");
}

TEST_F(LogCut, KeepsTheKeyListThatItTook) {
  const auto put = [&](std::uint64_t serial) {
    const protocol::KeyList list{
        .tenant = "acme",
        .serial = serial,
        .time_ms = pair.clock->now_ms,
        .keys = {{pair.bundle().key_id(), protocol::KeyUse::decrypt_only, pair.clock->now_ms}}};
    must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                         list.sign(pair.acme.ca_key())));
  };
  put(1);
  pair.cloud.close();
  testing::run_sql(pair.cloud.store(), "CREATE TABLE aside.old AS SELECT * FROM key_lists");
  pair.cloud.open();
  put(2);
  must(decrypt(pair.cloud));
  hear();
  ASSERT_EQ(cut(all_but_the_last()), "");
  has(opens_after("DELETE FROM key_lists; INSERT INTO key_lists SELECT * FROM aside.old"),
      "is not the last one in the log");
  has(opens_after("DELETE FROM key_lists"), "is not the last one in the log");
}

TEST_F(LogCut, KeepsTheHoldOfAnErasure) {
  const auto key = pair.bundle().key_id();
  pair.cloud.hold_erasure(key);
  pair.cloud.custodian().sweep();
  must(decrypt(pair.cloud));
  hear();
  ASSERT_EQ(cut(all_but_the_last()), "");
  std::filesystem::remove(pair.cloud.folder() / hsm::ErasureHolds::kFolder / to_hex(key));
  reopen();
  pair.cloud.custodian().sweep();
  has(health(pair.cloud)["erasure"], "the operator's statement is gone from the agent's folder: it stands");
}

TEST_F(LogCut, KeepsTheSuspicionThatASecondAgentRuns) {
  const auto& other = [&]() -> const OtherLife& { return pair.cloud.custodian().peers().other_life(); };
  const auto cut_and_reopen = [&] {
    must(decrypt(pair.cloud));
    hear();
    ASSERT_EQ(cut(all_but_the_last()), "");
    for (const auto& entry : store_entries(pair.cloud))
      ASSERT_EQ(entry.operation, static_cast<std::uint8_t>(protocol::Recorded::cut_log));
    reopen();
  };
  save(pair.cloud);
  for (int i = 0; i < 3; ++i) must(decrypt(pair.cloud));
  hear();
  put_back(pair.cloud);
  settle(pair.cloud, pair.company);
  ASSERT_FALSE(other().check());
  cut_and_reopen();
  EXPECT_FALSE(other().check());
  // So is its end.
  for (int i = 0; i < 4; ++i) {
    pair.clock->now_ms += 60'000;
    settle(pair.cloud, pair.company);
  }
  ASSERT_TRUE(other().check());
  cut_and_reopen();
  EXPECT_TRUE(other().check());
}

TEST_F(LogCut, LeavesTheOldStateOnAFullDisk) {
  const auto before = entries_in(pair.cloud);
  const auto request = archived(pair.cloud, 1);  // which frees no page
  pair.cloud.custodian().store().limit_pages(1);
  for (int i = 0; i < 60; ++i) static_cast<void>(decrypt(pair.cloud));  // until the last page is full
  const auto full = entries_in(pair.cloud);
  EXPECT_GE(full, before);
  has(cut(request), "full");
  EXPECT_EQ(entries_in(pair.cloud), full);
  pair.cloud.custodian().store().limit_pages(1'000'000);
  EXPECT_EQ(try_again(), "");
  reopen();
  must(decrypt(pair.cloud));
}

class CapsOfACutLog : public testing::TestRefusal {};

TEST_F(CapsOfACutLog, AreNotRenewedInTheMiddleOfADay) {
  expected_computed = 3;
  EXPECT_EQ(code(asking(), pair.alice), "ok");
  EXPECT_EQ(code(asking(), pair.alice), "ok");
  EXPECT_EQ(code(asking(), pair.alice), "limited");
  auto request = archived(pair.cloud, testing::last_entry(pair.cloud) - 1);
  request.unheard = true;
  pair.cloud.request_cut(request);
  pair.cloud.custodian().sweep();
  EXPECT_EQ(pair.cloud.custodian().not_cut(), "");
  EXPECT_EQ(entries_in(pair.cloud), 2u);
  for (int starts = 0; starts < 2; ++starts) {
    EXPECT_EQ(code(asking(), pair.alice), "limited");
    pair.cloud.close();
    pair.cloud.open();
  }
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.rescuer), "limited");  // the key's three
}

}  // namespace
}  // namespace coprotect::agent::custodian
