#include <gtest/gtest.h>

#include "agent/custodian/testing/run_sql.h"
#include "agent/custodian/testing/test_key_list.h"
#include "protocol/message/list_serial.h"

// What a tenant says of its keys: taken only forwards, and obeyed at once.
namespace coprotect::agent::custodian {
namespace {

using protocol::KeyList;
using protocol::KeyUse;
using testing::KeyListOfAnAgent;
using testing::kHourMs;
using testing::kNoShares;

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
  const auto shorter = put(list(5, {{{9}, KeyUse::disabled, 0}}));
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().message(),
            "key list of tenant \"acme\": key " + to_hex(key_id()) + " is left out");
  must(put(list(5, {{key_id(), KeyUse::decrypt_only, 0}, {{9}, KeyUse::disabled, 0}})));
}

// Whoever has the CA's key names keys that nobody made, as many as there may be: the company takes them off.
TEST_F(KeyListOfAnAgent, NeedNotNameAKeyThatThisAgentNeverHad) {
  std::vector<KeyList::Entry> keys{{key_id(), KeyUse::encrypts, 0}};
  while (keys.size() < KeyList::kMaxKeys) {
    const std::size_t number = keys.size();
    keys.push_back({{9, static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(number >> 8)},
                    KeyUse::destroyed,
                    0});
  }
  must(put(list(1, keys)));
  must(put(list(2, keys)));
  must(put(3, KeyUse::encrypts));
  EXPECT_EQ(decrypts(), "ok");
}

// Whoever has the CA's key for a moment uses up no numbers.
TEST_F(KeyListOfAnAgent, DoesNotLeapToWhereNothingFollows) {
  const auto most = [&] { return static_cast<std::uint64_t>(now() + protocol::kMaxSerialAhead); };
  const auto leap = put(UINT64_MAX, KeyUse::decrypt_only);
  ASSERT_FALSE(leap);
  EXPECT_EQ(leap.error().code(), Code::conflict);
  EXPECT_EQ(
      leap.error().message(),
      "key list of tenant \"acme\": serial 18446744073709551615 is greater than " + std::to_string(most()) +
          ", the most that a list may have a day ahead of this clock: nothing could follow such a list");
  must(put(5, KeyUse::decrypt_only));
  EXPECT_EQ(code_of(put(most() + 1, KeyUse::disabled)), Code::conflict);
  EXPECT_EQ(decrypts(), "ok");
  const std::uint64_t leapt = most();
  must(put(leapt, KeyUse::disabled));
  // The time goes on, so that the company's next one follows.
  EXPECT_EQ(code_of(put(leapt + 1, KeyUse::encrypts)), Code::conflict);
  ++pair.clock->now_ms;
  must(put(leapt + 1, KeyUse::encrypts));
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
  EXPECT_EQ(pair.cloud.computed(), before);
  EXPECT_EQ(gives_blob(), "ok") << "which a refresh compares";
  must(put(3, KeyUse::encrypts));
  EXPECT_EQ(decrypts(), "ok");
  EXPECT_EQ(gives_blob(), "ok");
  must(put(4, KeyUse::destroyed, now() + 31 * 24 * kHourMs));
  EXPECT_EQ(decrypts(), "denied: the key is destroyed");
  EXPECT_EQ(gives_blob(), "the key is destroyed");
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

// Another tenant of the same agents, with a key of its own. Its list names acme's key.
class KeyListOfAnotherTenant : public KeyListOfAnAgent {
 protected:
  KeyListOfAnotherTenant() {
    evils.run();
    must(pair.cloud.call(ipc::Route::client_list_put, "evil", eve.certificate.der(), evil.next_list()));
    pair.cloud.close();
    pair.cloud.destroy_wait = std::chrono::milliseconds(kHourMs);
    pair.cloud.open();
  }
  Result<Bytes> put_evil(std::uint64_t serial, std::vector<KeyList::Entry> keys) {
    const KeyList list{.tenant = "evil", .serial = serial, .time_ms = now(), .keys = std::move(keys)};
    return pair.cloud.call(ipc::Route::key_list_put, "evil", eve.certificate.der(), list.sign(evil.ca_key()));
  }
  Bytes shares_of(const protocol::KeyId& key) {
    auto transaction = must(pair.cloud.custodian().store().begin());
    Query query = transaction.query("SELECT shares FROM keys WHERE key_id=?");
    must(query.bind(key).step());
    return query.blob(0);
  }
  void wait(std::int64_t ms) {
    pair.clock->now_ms += ms;
    pair.cloud.custodian().sweep();
  }

  testing::Company evil{"evil", now()};
  testing::TestClient eve{evil.enrol("admin", "eve")};
  testing::Tool evils{{&pair.cloud, &pair.company}, evil, protocol::SuiteId::p256};
};

TEST_F(KeyListOfAnotherTenant, HoldsNoErasureUp) {
  must(put(1, KeyUse::destroyed, now() + kHourMs));
  must(put_evil(1, {{key_id(), KeyUse::decrypt_only, 0}}));
  must(put_evil(2, {{key_id(), KeyUse::destroyed, now() + 100 * kHourMs}}));
  must(put_evil(3, {{key_id(), KeyUse::disabled, 0}}));
  pair.cloud.close();
  pair.cloud.open();
  wait(kHourMs);
  EXPECT_EQ(shares_of(key_id()), kNoShares);
  EXPECT_EQ(key_list_entries().back(), "the destroyed key's shares are erased");
}

// A list of acme's that the agent missed begins the agent's own waiting time; evil's list began none.
TEST_F(KeyListOfAnotherTenant, TakesNoWaitingTimeAway) {
  must(put_evil(1, {{key_id(), KeyUse::destroyed, now() + kHourMs}}));
  wait(10 * kHourMs);
  EXPECT_EQ(decrypts(), "ok");
  must(put(2, KeyUse::destroyed, now() - kHourMs));
  wait(kHourMs - 1);
  EXPECT_NE(shares_of(key_id()), kNoShares);
  must(put(3, KeyUse::decrypt_only));
  EXPECT_EQ(decrypts(), "ok");
}

// Not its purpose, not the waiting time, not whether it was erased.
TEST_F(KeyListOfAnotherTenant, LearnsNothingOfAKey) {
  testing::Tool derives({&pair.cloud, &pair.company}, pair.acme, protocol::SuiteId::p256,
                        protocol::Purpose::derive);
  derives.run();
  must(put(1, KeyUse::destroyed, now() + kHourMs));
  wait(kHourMs);
  ASSERT_EQ(shares_of(key_id()), kNoShares);
  std::vector<KeyList::Entry> named;
  std::uint64_t serial = 0;
  for (const protocol::KeyId& key : {protocol::KeyId{9}, derives.bundle().key_id(), key_id()}) {
    for (const KeyUse use : {KeyUse::encrypts, KeyUse::destroyed, KeyUse::decrypt_only}) {
      std::vector<KeyList::Entry> keys = named;
      keys.insert(keys.begin(), {key, use, now()});
      const auto taken = put_evil(++serial, keys);
      EXPECT_TRUE(taken) << to_hex(key) << ": " << taken.error().message();
    }
    named.push_back({key, KeyUse::disabled, now()});
  }
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
