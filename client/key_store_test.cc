#include "client/key_store.h"

#include <gtest/gtest.h>

#include <fstream>

#include "protocol/dkg/test_ceremony.h"
#include "protocol/message/list_serial.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kStoreNow = 1'800'000'000'000;
using protocol::KeyList;
using protocol::KeyUse;
using protocol::test::TestCeremony;

class KeyStoreTest : public testing::Test {
 protected:
  KeyStoreTest() { config_.file = folder_ / "config.toml"; }

  KeyStore open() const { return must(KeyStore::open(config_, run_.bundle)); }
  Bytes list(std::uint64_t serial, std::vector<KeyList::Entry> keys,
             const std::string& tenant = "acme") const {
    return KeyList{.tenant = tenant, .serial = serial, .time_ms = 1, .keys = std::move(keys)}.sign(
        ceremony_.client_ca_key);
  }
  protocol::KeyId first() const { return run_.bundle.key_id(); }

  const TestCeremony ceremony_{protocol::SuiteId::p256};
  const TestCeremony::Run run_{ceremony_.run()};
  Config config_;
  const harness::Scratch scratch_;
  const fs::path folder_{scratch_.path()};
};

TEST_F(KeyStoreTest, BeginsWithTheFirstKey) {
  KeyStore store = open();
  EXPECT_EQ(store.list(), nullptr);
  EXPECT_EQ(*store.encrypting(), first());
  EXPECT_EQ(store.bundle(first())->key_id(), first());
  EXPECT_EQ(store.bundle({9}).error().code(), Code::not_found);
}

TEST_F(KeyStoreTest, KeepsAListAndOnlyGoesForward) {
  KeyStore store = open();
  const Bytes newest = list(5, {{{9}, KeyUse::encrypts, 1}, {first(), KeyUse::decrypt_only, 1}});
  ASSERT_TRUE(store.keep(newest, kStoreNow));
  ASSERT_TRUE(store.keep(newest, kStoreNow));
  EXPECT_EQ(store.keep(list(4, {{first(), KeyUse::encrypts, 1}}), kStoreNow).error().code(), Code::conflict);
  EXPECT_EQ(store.keep(list(5, {{first(), KeyUse::encrypts, 1}}), kStoreNow).error().code(), Code::conflict);
  KeyStore again = open();
  ASSERT_NE(again.list(), nullptr);
  EXPECT_EQ(again.list()->serial, 5u);
  EXPECT_EQ(*again.encrypting(), protocol::KeyId{9});
  EXPECT_EQ(again.entry(first())->use, KeyUse::decrypt_only);
  EXPECT_EQ(again.keep(list(4, {{first(), KeyUse::encrypts, 1}}), kStoreNow).error().code(), Code::conflict);
  ASSERT_TRUE(again.keep(list(6, {{first(), KeyUse::disabled, 1}}), kStoreNow));
  EXPECT_EQ(again.encrypting().error().code(), Code::denied);
}

// A thief of the CA's key who has an agent cannot stop later lists at a client.
TEST_F(KeyStoreTest, DoesNotLeapToWhereNothingFollows) {
  KeyStore store = open();
  const auto put = [&](std::uint64_t serial) {
    return store.keep(list(serial, {{first(), KeyUse::decrypt_only, 1}}), kStoreNow);
  };
  EXPECT_EQ(put(UINT64_MAX).error().code(), Code::conflict);
  ASSERT_TRUE(put(5));
  const auto most = static_cast<std::uint64_t>(kStoreNow + protocol::kMaxSerialAhead);
  EXPECT_EQ(put(most + 1).error().code(), Code::conflict);
  ASSERT_TRUE(put(most));
  EXPECT_EQ(put(most + 1).error().code(), Code::conflict);
  ASSERT_TRUE(store.keep(list(most + 1, {{first(), KeyUse::decrypt_only, 1}}), kStoreNow + 1));
}

TEST_F(KeyStoreTest, TakesNoOtherList) {
  KeyStore store = open();
  const auto other = protocol::SigningKey::generate(system_random());
  const KeyList forged{.tenant = "acme", .serial = 1, .time_ms = 1, .keys = {}};
  EXPECT_EQ(store.keep(forged.sign(other), kStoreNow).error().code(), Code::unauthenticated);
  EXPECT_EQ(store.keep(list(1, {}, "other"), kStoreNow).error().code(), Code::unauthenticated);
  EXPECT_EQ(store.keep(Bytes{1}, kStoreNow).error().code(), Code::malformed);
  std::ofstream(folder_ / "acme.keys") << "something";
  EXPECT_EQ(KeyStore::open(config_, run_.bundle).error().code(), Code::altered);
}

TEST_F(KeyStoreTest, TakesBundlesOfTheSameAgentsAndCaOnly) {
  KeyStore store = open();
  EXPECT_TRUE(store.check(first(), run_.bundle.encoded()));
  EXPECT_EQ(store.check({9}, run_.bundle.encoded()).error().code(), Code::unauthenticated);
  EXPECT_FALSE(store.check(first(), Bytes{1, 2}));
  // A complete key with the tenant's name, made by an outsider: another CA, other agents.
  const TestCeremony foreign(protocol::SuiteId::p256);
  const auto made = foreign.run();
  const auto refused = store.check(made.bundle.key_id(), made.bundle.encoded());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unauthenticated);
}

// The CA's key and one agent are not enough to make clients encrypt to a key that only that agent holds.
TEST_F(KeyStoreTest, EncryptsToNoKeyThatFewerHold) {
  using protocol::test::Layout;
  const auto refuses = [&](const Layout& layout) {
    const auto made = TestCeremony(ceremony_, layout).run();
    EXPECT_TRUE(open().check(made.bundle.key_id(), made.bundle.encoded()));
    const auto checked = open().check_encrypts_like_first(made.bundle);
    return !checked && checked.error().code() == Code::denied;
  };
  EXPECT_FALSE(refuses(protocol::test::default_layout()));
  EXPECT_FALSE(refuses({2, {{"cloud", {1}}, {"company", {2}}}}));
  EXPECT_FALSE(refuses({3, {{"cloud", {1, 2}}, {"company", {3, 4}}, {"recovery", {5}}}}));
  EXPECT_TRUE(refuses({1, {{"cloud", {1}}}}));
  EXPECT_TRUE(refuses({2, {{"cloud", {1, 3}}, {"company", {2}}}}));
  EXPECT_TRUE(refuses({1, {{"cloud", {1}}, {"company", {2}}, {"recovery", {3}}}}));
  EXPECT_TRUE(refuses({2, {{"cloud", {1}}, {"recovery", {2}}}}));
  // An agent of the first key in the name of another organisation.
  Layout renamed = protocol::test::default_layout();
  renamed.organisations = {{"cloud", "company"}};
  EXPECT_TRUE(refuses(renamed));
  // A user who wants this key names it.
  const auto meant = TestCeremony(ceremony_, {1, {{"cloud", {1}}}}).run();
  config_.keys["mail"] = {.key_id = meant.bundle.key_id(), .bundle = folder_ / "mail.bundle"};
  EXPECT_TRUE(open().check_encrypts_like_first(meant.bundle));
}

TEST_F(KeyStoreTest, KeepsBundles) {
  const TestCeremony other(protocol::SuiteId::p256);
  const auto made = other.run();
  KeyStore store = open();
  ASSERT_TRUE(store.keep(made.bundle));
  EXPECT_TRUE(fs::exists(folder_ / "keys" / (to_hex(made.bundle.key_id()) + ".bundle")));
  KeyStore again = open();
  EXPECT_EQ(again.bundle(made.bundle.key_id())->encoded(), made.bundle.encoded());
  // A file under a key's name is that key or is rejected.
  fs::rename(folder_ / "keys" / (to_hex(made.bundle.key_id()) + ".bundle"),
             folder_ / "keys" / (to_hex(protocol::KeyId{9}) + ".bundle"));
  EXPECT_EQ(open().bundle({9}).error().code(), Code::unauthenticated);
}

}  // namespace
}  // namespace coprotect::client
