#include "agent/custodian/store.h"

#include "agent/custodian/testing/test_tampering.h"

// The store is not trusted: whatever somebody with write access to it changes is found. And what it cannot
// write is not answered.
namespace coprotect::agent::custodian {
namespace {

using testing::Tampering;

TEST_F(Tampering, WithEachColumnOfAKeyIsFound) {
  const std::string key = "key " + to_hex(pair.bundle().key_id());
  // The description holds tenant, CA, purpose, suite, parties and the bundle.
  for (const std::string column :
       {"description", "shares", "recovery_blob", "invitation", "sid", "key_id", "mac"}) {
    const std::string message = refusal("UPDATE keys SET " + altered(column));
    if (column == "key_id") continue;  // then it is named by the altered one
    says(message, key);
    says(message, "MAC");
  }
  says(refusal("UPDATE keys SET state=2"), key);
  says(refusal("UPDATE keys SET epoch=1"), key);
}

// R0 stands in the bundle: "CPR0", version, suite, purpose.
TEST_F(Tampering, WithTheKeysPurposeOrSuiteIsFound) {
  const std::string r0 = "instr(description, x'43505230')";
  const auto changed = [&](int at, const std::string& bytes) {
    const std::string before = r0 + "+" + std::to_string(at - 1);
    const std::string after = r0 + "+" + std::to_string(at + static_cast<int>(bytes.size() / 2));
    return "UPDATE keys SET description=CAST(substr(description, 1, " + before + ") || x'" + bytes +
           "' || substr(description, " + after + ") AS BLOB)";
  };
  says(refusal(changed(7, "02")), "MAC");
  says(refusal(changed(5, "0002")), "MAC");

  // And whoever could make the MAC has no such key: the parties signed what the bundle says.
  Bytes bundle = pair.bundle().encoded();
  const auto magic = bytes_of("CPR0");
  const auto at = std::search(bundle.begin(), bundle.end(), magic.begin(), magic.end()) + 7;
  ASSERT_EQ(*at, 1);
  *at = 2;
  EXPECT_FALSE(protocol::Bundle::parse(bundle));
}

TEST_F(Tampering, WithAClientListIsFound) {
  says(refusal("UPDATE client_lists SET " + altered("list")), "\"acme\"");
  says(refusal("UPDATE client_lists SET tenant='other'"), "\"other\"");
  says(refusal("DELETE FROM client_lists"), "\"acme\"");
  says(refusal("DELETE FROM keys"), "\"acme\"");
}

TEST_F(Tampering, WithAnOlderClientListIsFound) {
  sql("CREATE TABLE aside.old AS SELECT * FROM client_lists");
  pair.cloud.open();
  pair.acme.remove(pair.alice);
  must(pair.cloud.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(), pair.acme.list(7)));
  pair.cloud.close();
  says(refusal("DELETE FROM client_lists; INSERT INTO client_lists SELECT * FROM aside.old"),
       "not the last one");
  pair.cloud.open();
}

TEST_F(Tampering, WithTheLogIsFound) {
  says(refusal("DELETE FROM log WHERE seq=(SELECT max(seq) FROM log)"), "head says");
  says(refusal("DELETE FROM log WHERE seq=2"), "entry 2 is missing");
  says(refusal("DELETE FROM log; DELETE FROM log_head"), "the log was altered");
  says(refusal("DELETE FROM log_head"), "head is missing");
  says(refusal("UPDATE log SET entry=(SELECT entry FROM log WHERE seq=1) WHERE seq=2"), "entry 2 is damaged");
  // The last byte of an entry without items is of its item count; one of its time keeps it an entry.
  says(refusal("UPDATE log SET " + altered("entry", 16) + " WHERE seq=1"), "entry 1 is damaged");
  // With what else is known of it, it is no entry that rotted.
  says(refusal("UPDATE log SET " + altered("entry", 16) + " WHERE seq=1; DELETE FROM log_hashes WHERE seq=1"),
       "not the one under the signed head");
  says(refusal("UPDATE log SET " + altered("entry", 16) + " WHERE seq=1; UPDATE log_hashes SET " +
               altered("hash") + " WHERE seq=1"),
       "not the one under the signed head");
}

TEST_F(Tampering, WithTheHeadIsFound) {
  // An older head, properly signed, with the entries cut to it: the client list's entry is gone with them.
  // One that is signed by another:
  const auto other = protocol::SigningKey::generate(system_random());
  const auto head = protocol::LogHead::sign(1, 1, {}, other).encode();
  says(refusal("UPDATE log_head SET head=x'" + to_hex(head) + "'"), "not signed by this agent");
  says(refusal("UPDATE log_head SET " + altered("head")), "not signed by this agent");
}

TEST_F(Tampering, WithNothingIsNotFound) {
  EXPECT_EQ(refusal("SELECT 1"), "opened");
}

TEST_F(Tampering, ANewerSchemaIsRefused) {
  sql("PRAGMA user_version=99");
  const auto opened = pair.cloud.try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::conflict);
  says(opened.error().message(), "99");
}

TEST_F(Tampering, ASecondAgentIsKeptAway) {
  pair.cloud.open();
  const auto second = Store::open(pair.cloud.store());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::conflict);
}

TEST_F(Tampering, WhatCannotBeRecordedIsNotAnswered) {
  pair.cloud.open();
  const auto file = testing::encrypt(pair.bundle());
  const int before = pair.cloud.computed();
  pair.cloud.custodian().store().limit_pages(1);
  int refused = 0;
  for (int i = 0; i < 60; ++i) {  // until the last page is full
    const auto reply =
        testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice);
    if (reply) continue;
    ++refused;
    EXPECT_EQ(reply.error().code(), Code::unavailable) << reply.error().message();
  }
  EXPECT_GT(refused, 0);
  const int computed = pair.cloud.computed();
  EXPECT_LE(computed - before, 60 - refused + 1);  // at most one intent fitted whose result did not

  pair.cloud.custodian().store().limit_pages(1'000'000);
  must(testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice));
  testing::read_log(pair.cloud, pair.bundle(), pair.admin);
}

// One entry without its form and the agent does not start again, for any tenant.
TEST_F(Tampering, WhatCouldNotBeReadAgainIsNotRecorded) {
  pair.cloud.open();
  const auto keyring =
      must(hsm::Keyring::open(hsm::Token(testing::token_at(token.uri())), pair.cloud.folder() / "keyring"));
  DueEpochs due(keyring);
  Log log(keyring, due);
  auto transaction = must(pair.cloud.custodian().store().begin());
  must(log.load(transaction, {.begin = [](const LogState&) {},
                              .visit = [](const protocol::LogEntry&) {},
                              .repairs = [](std::uint64_t) { return std::nullopt; },
                              .old_ms = 0}));
  protocol::LogEntry entry{};
  entry.kind = protocol::EntryKind::ceremony;
  entry.operation = static_cast<std::uint8_t>(protocol::Recorded::ceremony);
  entry.tenant = "acme";
  entry.time_ms = pair.clock->now_ms;
  entry.outcome = "ok";
  entry.detail = "named \xff";
  const auto refused = log.append(transaction, entry);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::malformed);
  entry.detail = "named";
  must(log.append(transaction, entry));
}

TEST_F(Tampering, NoncesAreKeptAsLongAsTheyCount) {
  const auto count = [&] {
    pair.cloud.custodian().sweep();
    auto transaction = must(pair.cloud.custodian().store().begin());
    Query query = transaction.query("SELECT count(*) FROM nonces");
    must(query.step());
    return query.integer(0);
  };
  pair.cloud.open();
  const std::int64_t kept = count();
  EXPECT_GE(kept, 1);
  pair.clock->now_ms += 2 * protocol::kRequestWindowMs;
  EXPECT_EQ(count(), kept);
  pair.clock->now_ms += 60'000;
  EXPECT_EQ(count(), 0);
}

TEST(Store, RollsBackWhatIsNotCommitted) {
  harness::Scratch scratch;
  auto store = must(Store::open(scratch / "store.db"));
  int effects = 0;
  const Bytes head = {1};
  {
    auto transaction = must(store->begin());
    must(transaction.query("INSERT INTO log_head(only, head) VALUES(1, ?)").bind(head).run(Rows::one));
    transaction.after_commit([&] { ++effects; });
  }
  auto transaction = must(store->begin());
  EXPECT_FALSE(must(transaction.query("SELECT head FROM log_head").step()));
  must(transaction.query("INSERT INTO log_head(only, head) VALUES(1, ?)").bind(head).run(Rows::one));
  transaction.after_commit([&] { ++effects; });
  must(transaction.commit());
  EXPECT_EQ(effects, 1);
}

TEST(Store, IsTheOwnersOnly) {
  harness::Scratch scratch;
  const auto store = must(Store::open(scratch / "store.db"));
  for (const char* const name : {"store.db", "store.db-wal", "store.db.lock"})
    EXPECT_EQ(std::filesystem::status(scratch / name).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << name;
}

}  // namespace
}  // namespace coprotect::agent::custodian
