#include <gtest/gtest.h>

#include <fstream>

#include "agent/custodian/list_serial.h"
#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/message/key_list.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

// What a tenant says of its keys: taken only forwards, obeyed at once, and, of a destroyed key, carried out.
namespace coprotect::agent::custodian {
namespace {

using protocol::KeyList;
using protocol::KeyUse;

const Bytes kNoShares = {0};
using testing::kHourMs;

class KeyListOfAnAgent : public ::testing::Test {
 protected:
  KeyListOfAnAgent() { pair.onboard(); }

  protocol::KeyId key_id() const { return pair.bundle().key_id(); }
  std::int64_t now() const { return pair.clock->now_ms; }
  Bytes list(std::uint64_t serial, std::vector<KeyList::Entry> keys) const {
    return KeyList{.tenant = "acme", .serial = serial, .time_ms = now(), .keys = std::move(keys)}.sign(
        pair.acme.ca_key());
  }
  Result<Bytes> put(const Bytes& encoded, const std::string& tenant = "acme") {
    return pair.cloud.call(ipc::Route::key_list_put, tenant, pair.admin.certificate.der(), encoded);
  }
  Result<Bytes> put(std::uint64_t serial, KeyUse use, std::int64_t effective_ms = 0) {
    return put(list(serial, {{key_id(), use, effective_ms}}));
  }
  Code code_of(const Result<Bytes>& answer) {
    EXPECT_FALSE(answer);
    return answer ? Code::internal : answer.error().code();
  }
  // How the agent answers for a file: "ok", or why not.
  std::string decrypts() {
    const auto file = testing::encrypt(pair.bundle());
    const auto reply =
        testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice);
    return reply ? "ok" : std::string(code_name(reply.error().code())) + ": " + reply.error().message();
  }
  std::string gives_blob() {
    const auto reply = testing::answer(
        pair.cloud, testing::ask(pair.cloud, pair.bundle(), protocol::RecoveryShareBody{}), pair.admin);
    return reply ? "ok" : reply.error().message();
  }
  std::vector<std::string> key_list_entries() {
    std::vector<std::string> details;
    for (const auto& entry : testing::read_log(pair.cloud, pair.bundle(), pair.admin))
      if (entry.kind == protocol::EntryKind::key_list) details.push_back(entry.detail);
    return details;
  }
  Bytes stored(const char* sql) {
    auto transaction = must(pair.cloud.custodian().store().begin());
    Query query = transaction.query(sql);
    must(query.step());
    return query.blob(0);
  }
  Bytes stored_shares() { return stored("SELECT shares FROM keys"); }
  Bytes stored_blob() { return stored("SELECT recovery_blob FROM keys"); }
  bool on_disk(ByteView bytes) const {
    for (const char* const suffix : {"", "-wal"}) {
      std::ifstream file(pair.cloud.store().string() + suffix, std::ios::binary);
      const std::string content((std::istreambuf_iterator<char>(file)), {});
      if (content.find(text_of(bytes)) != std::string::npos) return true;
    }
    return false;
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), protocol::SuiteId::p256};
};

TEST_F(KeyListOfAnAgent, IsGivenAsItWasTaken) {
  const auto get = [&](const Bytes& peer) {
    return pair.cloud.call(ipc::Route::key_list_get, "acme", peer, {});
  };
  EXPECT_EQ(code_of(get(pair.alice.certificate.der())), Code::not_found) << "there is none yet";
  const Bytes first = list(1, {{key_id(), KeyUse::encrypts, 0}, {{9}, KeyUse::disabled, 0}});
  must(put(first));
  must(put(first));
  EXPECT_EQ(must(get(pair.alice.certificate.der())), first);
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(must(get(pair.alice.certificate.der())), first);

  EXPECT_EQ(code_of(get(pair.tool.invitation(1).certificate)), Code::not_found)
      << "another agent's invitation";
  const testing::Company other("other", now());
  EXPECT_EQ(code_of(get(other.certify("coprotect:other:user:eve").certificate.der())), Code::not_found);
  EXPECT_EQ(key_list_entries(), std::vector<std::string>{"serial 1, 2 keys"});
}

TEST_F(KeyListOfAnAgent, OnlyGoesForward) {
  must(put(list(4, {{key_id(), KeyUse::encrypts, 0}, {{9}, KeyUse::disabled, 0}})));
  EXPECT_EQ(code_of(put(4, KeyUse::decrypt_only)), Code::conflict);
  EXPECT_EQ(code_of(put(3, KeyUse::decrypt_only)), Code::conflict);
  const auto shorter = put(5, KeyUse::decrypt_only);
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().message(),
            "key list of tenant \"acme\": key " + to_hex(protocol::KeyId{9}) + " is left out");
  must(put(list(5, {{key_id(), KeyUse::decrypt_only, 0}, {{9}, KeyUse::disabled, 0}})));
}

// Whoever has the CA's key for a moment uses up no numbers.
TEST_F(KeyListOfAnAgent, DoesNotLeapToWhereNothingFollows) {
  const auto leap = put(UINT64_MAX, KeyUse::decrypt_only);
  ASSERT_FALSE(leap);
  EXPECT_EQ(leap.error().code(), Code::conflict);
  EXPECT_EQ(leap.error().message(),
            "key list of tenant \"acme\": serial 18446744073709551615 is more than 1048576 above the present "
            "0: such a leap would leave no numbers for later lists");
  must(put(5, KeyUse::decrypt_only));
  EXPECT_EQ(code_of(put(5 + kMaxSerialStep + 1, KeyUse::disabled)), Code::conflict);
  EXPECT_EQ(decrypts(), "ok");
  must(put(5 + kMaxSerialStep, KeyUse::disabled));
  must(put(6 + kMaxSerialStep, KeyUse::encrypts));
}

TEST_F(KeyListOfAnAgent, IsTheTenantsOwn) {
  const testing::Company other("other", now());
  const KeyList foreign{.tenant = "acme", .serial = 1, .time_ms = now(), .keys = {}};
  EXPECT_EQ(code_of(put(foreign.sign(other.ca_key()))), Code::unauthenticated);
  const KeyList misnamed{.tenant = "other", .serial = 1, .time_ms = now(), .keys = {}};
  EXPECT_EQ(code_of(put(misnamed.sign(pair.acme.ca_key()))), Code::malformed);
  EXPECT_EQ(code_of(put(list(1, {}), "other")), Code::not_found);
  EXPECT_EQ(code_of(put(Bytes{1, 2, 3})), Code::malformed);
}

TEST_F(KeyListOfAnAgent, IsObeyedAtOnce) {
  must(put(1, KeyUse::decrypt_only));
  EXPECT_EQ(decrypts(), "ok");
  must(put(2, KeyUse::disabled));
  const int before = pair.cloud.computed();
  EXPECT_EQ(decrypts(), "denied: the key is disabled");
  EXPECT_EQ(gives_blob(), "the key is disabled");
  EXPECT_EQ(pair.cloud.computed(), before);
  must(put(3, KeyUse::encrypts));
  EXPECT_EQ(decrypts(), "ok");
  EXPECT_EQ(gives_blob(), "ok");
  must(put(4, KeyUse::destroyed, now() + 31 * 24 * kHourMs));
  EXPECT_EQ(decrypts(), "denied: the key is destroyed");
  EXPECT_EQ(gives_blob(), "the key is destroyed");
}

TEST_F(KeyListOfAnAgent, GivesADestructionItsTime) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  const auto early = put(1, KeyUse::destroyed, now() + 30 * kHourMs - 1);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), Code::denied);
  EXPECT_NE(early.error().message().find("waiting time of 108000 s"), std::string::npos);
  must(put(1, KeyUse::destroyed, now() + 30 * kHourMs));
  // What is announced may be said again, or put off, but not be brought forward.
  pair.clock->now_ms += 10 * kHourMs;
  must(put(2, KeyUse::destroyed, now() + 20 * kHourMs));
  EXPECT_EQ(code_of(put(3, KeyUse::destroyed, now() + 20 * kHourMs - 1)), Code::denied);
  must(put(3, KeyUse::destroyed, now() + 25 * kHourMs));
  pair.cloud.custodian().sweep();
  must(put(4, KeyUse::decrypt_only));
  EXPECT_EQ(decrypts(), "ok");
}

// Whoever sets the host's clock forward erases nothing, and makes no destruction final.
TEST_F(KeyListOfAnAgent, AClockThatIsSetForwardErasesNothing) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  const Bytes shares = stored_shares();
  must(put(1, KeyUse::destroyed, now() + 30 * kHourMs));
  pair.clock->set_forward(40 * kHourMs);
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  // The list said again, for a date that has come, waits on as it did.
  must(put(2, KeyUse::destroyed, now() - 10 * kHourMs));
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 29 * kHourMs;
  pair.cloud.custodian().sweep();
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += kHourMs;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), kNoShares);

  EXPECT_EQ(code_of(put(3, KeyUse::decrypt_only)), Code::conflict);
}

TEST_F(KeyListOfAnAgent, ADestructionIsTakenBackUntilTheAgentHasWaited) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  must(put(1, KeyUse::destroyed, now() + 30 * kHourMs));
  pair.clock->set_forward(40 * kHourMs);
  pair.cloud.custodian().sweep();
  must(put(2, KeyUse::decrypt_only));
  EXPECT_EQ(decrypts(), "ok");
}

TEST_F(KeyListOfAnAgent, ErasesADestroyedKeysSharesWhenItsTimeHasCome) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::seconds(2);
  pair.cloud.open();
  // Both end in what is sealed, which stands nowhere else.
  const Bytes shares = stored_shares();
  const Bytes blob = stored_blob();
  ASSERT_TRUE(on_disk(ByteView(shares).last(24)));
  ASSERT_TRUE(on_disk(ByteView(blob).last(24)));
  must(put(1, KeyUse::destroyed, now() + 2000));
  pair.clock->now_ms += 1999;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 1;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), kNoShares);
  EXPECT_EQ(stored_blob(), Bytes{});
  EXPECT_FALSE(on_disk(ByteView(shares).last(24)));
  EXPECT_FALSE(on_disk(ByteView(blob).last(24)));
  EXPECT_EQ(decrypts(), "denied: the key is destroyed");
  EXPECT_EQ(
      key_list_entries(),
      (std::vector<std::string>{"serial 1, 1 keys", "the destroyed key's shares are removed from the store",
                                "the destroyed key's shares are erased"}));

  // For good, also after a restart, whatever the clock says and whoever asks.
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(code_of(put(2, KeyUse::decrypt_only)), Code::conflict);
  pair.clock->now_ms -= 1000;
  EXPECT_EQ(code_of(put(2, KeyUse::decrypt_only)), Code::conflict);
  must(put(2, KeyUse::destroyed, now()));
  EXPECT_EQ(decrypts(), "denied: the key is destroyed");
  static_cast<void>(pair.tool.post(0, ipc::Route::activate, pair.bundle().encoded()));
  EXPECT_EQ(stored_shares(), kNoShares);
  EXPECT_FALSE(pair.tool.post(0, ipc::Route::store_blob, pair.tool.blob_message(0)));
  EXPECT_EQ(stored_shares(), kNoShares);
  must(pair.cloud.call(ipc::Route::bundle, to_hex(key_id()), pair.alice.certificate.der(), {}));
}

// Time in which the agent did not run does not count; what had come before it died is made good at its start.
TEST_F(KeyListOfAnAgent, ErasesAtItsStartWhatWasDueBefore) {
  const Bytes shares = stored_shares();
  must(put(1, KeyUse::destroyed, now() + 30 * 24 * kHourMs));
  pair.cloud.close();
  pair.clock->now_ms += 30 * 24 * kHourMs;
  pair.cloud.open();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 30 * 24 * kHourMs - 60'000;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 60'000;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), kNoShares);
}

TEST_F(KeyListOfAnAgent, IsFoundIfTheStoreHasAnother) {
  must(put(1, KeyUse::encrypts));
  must(pair.cloud.custodian().store().checkpoint());
  const auto saved = pair.cloud.store().string() + ".saved";
  const auto refusal = [&](const std::string& statement) -> std::string {
    pair.cloud.close();
    std::filesystem::copy_file(pair.cloud.store(), saved);
    Owned<sqlite3, sqlite3_close_v2> database;
    EXPECT_EQ(sqlite3_open(pair.cloud.store().c_str(), out(database)), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database.get(), statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    database.reset();
    const auto opened = pair.cloud.try_open();
    pair.cloud.close();
    std::filesystem::rename(saved, pair.cloud.store());
    return opened ? "opened" : opened.error().message();
  };
  EXPECT_NE(refusal("UPDATE key_lists SET mac=zeroblob(32)").find("MAC"), std::string::npos);
  EXPECT_NE(refusal("UPDATE key_lists SET tenant='other'").find("MAC"), std::string::npos);
  EXPECT_NE(refusal("DELETE FROM key_lists").find("not the last one"), std::string::npos);
  EXPECT_EQ(refusal("SELECT 1"), "opened");
  pair.cloud.open();
}

TEST(KeyListOfADeriveKey, DoesNotLetItEncrypt) {
  harness::Scratch scratch;
  harness::SoftToken token(scratch / "token");
  token.use();
  testing::Pair pair(scratch.path(), testing::token_at(token.uri()), protocol::SuiteId::p256);
  testing::Tool tool({&pair.cloud, &pair.company}, pair.acme, protocol::SuiteId::p256,
                     protocol::Purpose::derive);
  pair.onboard();
  tool.run();
  const auto put = [&](std::uint64_t serial, KeyUse use) {
    const KeyList list{.tenant = "acme",
                       .serial = serial,
                       .time_ms = pair.clock->now_ms,
                       .keys = {{tool.bundle().key_id(), use, 0}}};
    return pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                           list.sign(pair.acme.ca_key()));
  };
  const auto refused = put(1, KeyUse::encrypts);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::malformed);
  must(put(1, KeyUse::disabled));
  const auto& group = tool.bundle().group();
  const auto asking =
      testing::ask(pair.cloud, tool.bundle(), protocol::DeriveBody{{group.random_message(system_random())}});
  const auto reply = testing::answer(pair.cloud, asking, pair.alice);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().message(), "the key is disabled");
}

}  // namespace
}  // namespace coprotect::agent::custodian
