// An entry of the log rotted on the disk: what verifies is served, what rotted is named, and a backup brings
// it back.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "agent/custodian/testing/archives.h"
#include "agent/custodian/testing/run_sql.h"
#include "agent/custodian/testing/test_put_back.h"
#include "hsm/erasure_holds.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using testing::entry_in;
using testing::last_entry;

constexpr std::int64_t kLongMs = 50 * testing::kHourMs;

class RottenLog : public testing::PutBack {
 protected:
  RottenLog() {
    for (int i = 0; i < 3; ++i) must(decrypt(pair.cloud));
  }

  Bytes content() const {
    std::ifstream in(pair.cloud.store(), std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }
  // One bit of an entry, where it lies in the closed store's file.
  void rot(std::uint64_t seq, std::size_t byte = 16) {
    const Bytes entry = entry_in(pair.cloud, seq);
    Bytes disk = content();
    const auto at = std::search(disk.begin(), disk.end(), entry.begin(), entry.end());
    ASSERT_NE(at, disk.end());
    at[static_cast<std::ptrdiff_t>(byte)] ^= 4;
    std::ofstream(pair.cloud.store(), std::ios::binary)
        .write(reinterpret_cast<const char*>(disk.data()), static_cast<std::streamsize>(disk.size()));
    ASSERT_NE(entry_in(pair.cloud, seq), entry);
  }
  // The same, and more than two days go by.
  void rot_long_ago(std::uint64_t seq, std::size_t byte = 16) {
    pair.cloud.close();
    rot(seq, byte);
    pair.clock->now_ms += kLongMs;
    pair.cloud.open();
  }
  std::string refusal() {
    const auto opened = pair.cloud.try_open();
    if (opened) return "opened";
    EXPECT_EQ(opened.error().code(), Code::altered);
    return opened.error().message();
  }
  void reopen() {
    pair.cloud.close();
    pair.cloud.open();
  }
  static bool has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
    return true;
  }
  bool shows(std::uint64_t seq) {
    const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
    return std::ranges::any_of(log, [&](const auto& entry) { return entry.seq == seq; });
  }
};

TEST_F(RottenLog, IsServedFromWhatVerifies) {
  const std::uint64_t last = last_entry(pair.cloud);
  for (const std::size_t byte : {0u, 16u, 60u}) {  // no entry any more; another time; another key
    SCOPED_TRACE(byte);
    const std::uint64_t seq = 3 + byte / 16;
    pair.cloud.close();
    const auto kept = pair.cloud.store().string() + ".kept";
    std::filesystem::copy_file(pair.cloud.store(), kept, std::filesystem::copy_options::overwrite_existing);
    const std::int64_t then = pair.clock->now_ms;
    rot_long_ago(seq, byte);
    must(decrypt(pair.cloud));
    has(pair.cloud.custodian().damage(), "entry " + std::to_string(seq) + ";");
    const auto report = health(pair.cloud);
    EXPECT_EQ(report["status"], "degraded");
    has(report["log"], "entry " + std::to_string(seq) + "; repair it from a backup");
    has(report["erasure"], "the erasure is held");
    // The log goes on from its end and verifies, that entry by its hash.
    EXPECT_FALSE(shows(seq));
    EXPECT_TRUE(shows(last));
    EXPECT_GT(last_entry(pair.cloud), last);
    if (byte == 0) {  // the next ones are of a store that is put back
      EXPECT_EQ(settle(pair.cloud, pair.company), "");
    }
    reopen();
    must(decrypt(pair.cloud));
    EXPECT_FALSE(shows(seq));
    pair.cloud.close();
    pair.clock->now_ms = then;
    std::filesystem::copy_file(kept, pair.cloud.store(), std::filesystem::copy_options::overwrite_existing);
    pair.cloud.open();
  }
}

TEST_F(RottenLog, IsNotServedIfItMayBeOfToday) {
  pair.cloud.close();
  rot(last_entry(pair.cloud) - 1);
  has(refusal(), "what it counts today is not known");
  // The newest has no later one that says how old it is.
  pair.clock->now_ms += kLongMs;
  EXPECT_EQ(refusal(), "opened");
  pair.cloud.close();
  rot(last_entry(pair.cloud));
  has(refusal(), "what it counts today is not known");
}

TEST_F(RottenLog, IsNotServedIfMoreThanEntriesRotted) {
  pair.cloud.close();
  pair.clock->now_ms += kLongMs;
  rot(4);
  testing::run_sql(pair.cloud.store(), "UPDATE log_hashes SET hash=zeroblob(32) WHERE seq=4");
  has(refusal(), "not the one under the signed head");
  testing::run_sql(pair.cloud.store(), "DELETE FROM log_hashes WHERE seq=4");
  has(refusal(), "not the one under the signed head");
}

TEST_F(RottenLog, MakesAHashAgainThatRottedItself) {
  pair.cloud.close();
  testing::run_sql(pair.cloud.store(), "UPDATE log_hashes SET hash=zeroblob(32) WHERE seq=4");
  testing::run_sql(pair.cloud.store(), "DELETE FROM log_hashes WHERE seq=5");
  pair.cloud.open();
  EXPECT_EQ(pair.cloud.custodian().damage(), "");
  EXPECT_EQ(health(pair.cloud)["log"], "ok");
  pair.cloud.close();
  pair.clock->now_ms += kLongMs;
  rot(4);
  rot(5);
  pair.cloud.open();
  has(pair.cloud.custodian().damage(), "entry 4, 5;");
}

TEST_F(RottenLog, IsRepairedByTheEntryThatTheChainDemandsAndNoOther) {
  const Bytes entry = entry_in(pair.cloud, 4);
  rot_long_ago(4);
  pair.cloud.leave_entry(4, entry_in(pair.cloud, 5));
  reopen();
  has(pair.cloud.custodian().damage(), "entry 4;");
  pair.cloud.leave_entry(4, entry_in(pair.cloud, 4));  // as it is
  reopen();
  has(pair.cloud.custodian().damage(), "entry 4;");
  pair.cloud.leave_entry(4, entry);
  reopen();
  EXPECT_EQ(pair.cloud.custodian().damage(), "");
  EXPECT_EQ(health(pair.cloud)["log"], "ok");
  EXPECT_EQ(entry_in(pair.cloud, 4), entry);
  EXPECT_TRUE(shows(4));
  must(decrypt(pair.cloud));
}

// Also if the agent does not start without it.
TEST_F(RottenLog, OfTodayIsRepaired) {
  const std::uint64_t seq = last_entry(pair.cloud);
  const Bytes entry = entry_in(pair.cloud, seq);
  pair.cloud.close();
  rot(seq);
  has(refusal(), "damaged");
  pair.cloud.leave_entry(seq, entry);
  pair.cloud.open();
  EXPECT_EQ(pair.cloud.custodian().damage(), "");
  must(decrypt(pair.cloud));
}

TEST_F(RottenLog, StillTellsAListThatWasPutBack) {
  must(decrypt(pair.cloud));
  pair.cloud.close();
  testing::run_sql(pair.cloud.store(), "CREATE TABLE aside.old AS SELECT * FROM client_lists");
  pair.cloud.open();
  must(pair.cloud.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(),
                       pair.acme.next_list()));
  const std::uint64_t list = last_entry(pair.cloud);
  must(decrypt(pair.cloud));
  rot_long_ago(list);  // the entry of the list itself
  must(decrypt(pair.cloud));
  pair.cloud.close();
  testing::run_sql(pair.cloud.store(),
                   "DELETE FROM client_lists; INSERT INTO client_lists SELECT * FROM aside.old");
  has(refusal(), "its rows are not those that this agent wrote");
}

// Of an entry that says so, too.
TEST_F(RottenLog, MayBeOfAStoreThatWasPutBack) {
  save(pair.cloud);
  for (int i = 0; i < 3; ++i) must(decrypt(pair.cloud));
  settle(pair.cloud, pair.company);
  put_back(pair.cloud);
  settle(pair.cloud, pair.company);
  const std::uint64_t said = store_entries(pair.cloud).back().seq;
  must(decrypt(pair.cloud));
  ASSERT_TRUE(entry_in(pair.cloud, said - 1).empty());  // it left numbers out
  rot_long_ago(said);
  const auto& other = [&]() -> const OtherLife& { return pair.cloud.custodian().peers().other_life(); };
  EXPECT_FALSE(other().check());
  // The log is read over it, in pieces, too, which end with an entry whose number is known.
  EXPECT_FALSE(shows(said));
  for (std::uint16_t limit = 1; limit <= 12; ++limit) {
    const Secret reply = must(testing::answer(
        pair.cloud, testing::ask(pair.cloud, pair.bundle(), protocol::LogBody{said - 8, limit}), pair.admin));
    const auto page = must(protocol::LogReply::parse(reply.reveal()));
    ASSERT_FALSE(page.lines.empty());
    if (page.lines.size() > 1) {
      EXPECT_FALSE(page.lines.back().entry.empty());
    }
  }
  // Answers of three rounds end it, as ever, until the next start.
  for (int i = 0; i < 4; ++i) {
    pair.clock->now_ms += 60'000;
    settle(pair.cloud, pair.company);
  }
  EXPECT_TRUE(other().check());
  reopen();
  EXPECT_FALSE(other().check());
}

TEST_F(RottenLog, OfMoreEntriesThanAreServedIsRepaired) {
  while (last_entry(pair.cloud) < 112) must(decrypt(pair.cloud));
  std::map<std::uint64_t, Bytes> entries;
  for (std::uint64_t seq = 4; seq <= 104; ++seq) entries[seq] = entry_in(pair.cloud, seq);
  pair.cloud.close();
  pair.clock->now_ms += kLongMs;
  testing::run_sql(pair.cloud.store(), "UPDATE log SET entry=x'00' WHERE seq BETWEEN 4 AND 104");
  has(refusal(), "101 entries are damaged on the disk: entry 4, 5, 6, 7, 8 and others; repair it");
  pair.cloud.leave_entry(4, entries[4]);
  pair.cloud.open();  // a hundred are served
  has(pair.cloud.custodian().damage(), "entry 5, 6");
  for (const auto& [seq, entry] : entries) pair.cloud.leave_entry(seq, entry);
  reopen();
  EXPECT_EQ(pair.cloud.custodian().damage(), "");
  EXPECT_EQ(entry_in(pair.cloud, 104), entries[104]);
  must(decrypt(pair.cloud));
}

// The newest statement is among the entries that rotted, and an older one was put back into the folder.
TEST_F(RottenLog, TakesNoStatementOfTheOperator) {
  const auto key = pair.bundle().key_id();
  const auto statement = pair.cloud.folder() / hsm::ErasureHolds::kFolder / to_hex(key);
  const auto old = scratch / "old-statement";
  const auto say = [&](bool held) {
    pair.cloud.hold_erasure(key, held);
    pair.cloud.custodian().sweep();
    return last_entry(pair.cloud);
  };
  say(true);
  const auto released = say(false);
  std::filesystem::copy_file(statement, old);
  const auto held = say(true);
  must(decrypt(pair.cloud));
  const Bytes second = entry_in(pair.cloud, released);
  const Bytes third = entry_in(pair.cloud, held);
  pair.cloud.close();
  rot(released);
  rot_long_ago(held);
  std::filesystem::copy_file(old, statement, std::filesystem::copy_options::overwrite_existing);
  const auto last = last_entry(pair.cloud);
  pair.cloud.custodian().sweep();
  EXPECT_EQ(last_entry(pair.cloud), last);
  pair.cloud.leave_entry(released, second);
  pair.cloud.leave_entry(held, third);
  reopen();
  pair.cloud.custodian().sweep();
  has(health(pair.cloud)["erasure"], "an older statement of the operator was put back: the newer one stands");
}

TEST_F(RottenLog, IsNotCut) {
  rot_long_ago(4);
  must(decrypt(pair.cloud));
  auto request = testing::archived(pair.cloud, last_entry(pair.cloud) - 1);
  request.unheard = true;
  pair.cloud.request_cut(request);
  pair.cloud.custodian().sweep();
  has(pair.cloud.custodian().not_cut(), "damaged on the disk: entry 4");
}

}  // namespace
}  // namespace coprotect::agent::custodian
