#include "provisioning/handover/found_lists.h"

#include <gtest/gtest.h>

#include "protocol/base/test_must.h"
#include "provisioning/durable.h"
#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

using protocol::ClientList;
using protocol::KeyList;
using protocol::KeyUse;

class FoundListsTest : public testing::Test {
 protected:
  struct Person {
    explicit Person(const TestTenant& tenant, std::string name)
        : uri("coprotect:acme:" + std::move(name)), certificate(tenant.client({uri}, key.public_key())) {}
    protocol::SigningKey key = protocol::SigningKey::generate(system_random());
    std::string uri;
    protocol::Certificate certificate;
  };
  static void enrol(ClientList& list, const Person& person) {
    list.clients.emplace(person.certificate.key_hash(), person.uri);
  }
  ClientList renewed(const ListChoice& choice) const {
    return must(lists().renewed(choice, admin_.certificate, rescuer_.certificate, 5'000));
  }
  FoundLists lists() const {
    ClientList clients{.tenant = "acme", .serial = 7, .time_ms = 1'000, .clients = {}};
    for (const Person* const person : {&bob_, &lost_admin_, &other_admin_, &other_rescuer_})
      enrol(clients, *person);
    const KeyList keys{.tenant = "acme",
                       .serial = 3,
                       .time_ms = 2'000,
                       .keys = {{tenant_.bundle.key_id(), KeyUse::decrypt_only, 0}}};
    return {clients, keys, keys.sign(tenant_.ca.key)};
  }

  const TestTenant tenant_;
  const Person bob_{tenant_, "user:bob"};
  const Person lost_admin_{tenant_, "admin:root"};
  const Person other_admin_{tenant_, "admin:deputy"};
  const Person other_rescuer_{tenant_, "recovery:rotation-1"};
  const Person admin_{tenant_, "admin:root"};
  const Person rescuer_{tenant_, "recovery:recovery"};
};

// The remaining cloud agent may have forgotten, or claim to have forgotten, that a client was removed.
TEST_F(FoundListsTest, BringNoClientBackUnlessItIsKept) {
  const ClientList few = renewed({.keep_clients = std::nullopt, .key_list = 3});
  ClientList expected{.tenant = "acme", .serial = 5'000, .time_ms = 5'000, .clients = {}};
  for (const Person* const person : {&admin_, &rescuer_, &other_rescuer_}) enrol(expected, *person);
  EXPECT_EQ(few.clients, expected.clients);
  EXPECT_EQ(few.serial, 5'000u);  // lists in between, which are not shown, never become valid again
  EXPECT_EQ(few.time_ms, 5'000);

  for (const Person* const person : {&bob_, &other_admin_}) enrol(expected, *person);
  EXPECT_EQ(renewed({.keep_clients = 7, .key_list = 3}).clients, expected.clients);
}

// A thief of the client CA's key fills the list with recovery administrators, who otherwise stay on it.
TEST_F(FoundListsTest, AreRenewedAlthoughSomebodyFilledThem) {
  ClientList full{.tenant = "acme", .serial = 7, .time_ms = 1, .clients = {}};
  while (full.clients.size() < ClientList::kMaxClients) {
    const std::size_t number = full.clients.size();
    full.clients.emplace(Digest{1, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)},
                         "coprotect:acme:recovery:another");
  }
  const FoundLists found(full, std::nullopt, {});
  const auto renewed = [&](const ListChoice& choice) {
    return found.renewed(choice, admin_.certificate, rescuer_.certificate, 5'000);
  };
  EXPECT_EQ(must(renewed({})).clients.size(), 2u);
  EXPECT_EQ(renewed({.keep_clients = 7, .key_list = std::nullopt}).error().code(), Code::conflict);
}

TEST_F(FoundListsTest, CountOnlyIfTheirNumbersAreSaid) {
  const auto unsaid = lists().check({});
  ASSERT_FALSE(unsaid);
  EXPECT_EQ(unsaid.error().code(), Code::denied);
  EXPECT_NE(unsaid.error().message().find("nobody said that the key list that the agents show is the newest"),
            std::string::npos)
      << unsaid.error().message();
  EXPECT_TRUE(lists().check({.keep_clients = std::nullopt, .key_list = 3}));
  EXPECT_TRUE(lists().check({.keep_clients = 7, .key_list = 3}));
  const auto refused = [&](const ListChoice& choice) {
    const auto status = lists().check(choice);
    return status ? "ok" : std::string(code_name(status.error().code())) + ": " + status.error().message();
  };
  EXPECT_EQ(refused({.keep_clients = std::nullopt, .key_list = 4}),
            "conflict: --key-list names key list 4, and the agents show 3");
  EXPECT_EQ(refused({.keep_clients = 8, .key_list = 3}),
            "conflict: --keep-clients names client list 8, and the agents show 7");
  const FoundLists none({.tenant = "acme", .serial = 1, .time_ms = 0, .clients = {}}, std::nullopt, {});
  EXPECT_FALSE(none.check({}));
  EXPECT_TRUE(none.check({.keep_clients = std::nullopt, .key_list = 0}));
  EXPECT_TRUE(none.keys().empty());
}

TEST_F(FoundListsTest, AreShownWithWhatTheyBringBack) {
  testing::internal::CaptureStdout();
  lists().show();
  const std::string shown = testing::internal::GetCapturedStdout();
  for (const std::string& part : {std::string("client list 7 of 1970-01-01T00:00:01Z"), bob_.uri,
                                  other_admin_.uri, std::string("key list 3 of 1970-01-01T00:00:02Z"),
                                  to_hex(tenant_.bundle.key_id()) + "  decrypt-only"})
    EXPECT_NE(shown.find(part), std::string::npos) << part << "\n" << shown;
  EXPECT_EQ(shown.find(other_rescuer_.uri), std::string::npos) << shown;
}

// A user who keeps a kit in a copy of the company's folder also has the lists that the company signed until
// then.
TEST_F(FoundListsTest, AreTheOnesBesideTheKitIfThoseAreNewer) {
  const harness::Scratch scratch;
  const auto list = [&](std::uint64_t serial, const TestTenant& tenant) {
    return KeyList{.tenant = "acme", .serial = serial, .time_ms = 0, .keys = {}}.sign(tenant.ca.key);
  };
  const Bytes third = list(3, tenant_);
  const Bytes fourth = list(4, tenant_);
  const auto found = [&](const Bytes& told) {
    return newer_of(kKeyLists, told, scratch.path(), tenant_.ca.certificate);
  };
  const auto keep = [&](const Bytes& kept) {
    must(write_durable(scratch / std::string(kKeyLists.file), kept, kPublicMode));
  };
  EXPECT_EQ(found(third), third);
  EXPECT_TRUE(found({}).empty());
  keep(list(2, tenant_));
  EXPECT_EQ(found(third), third);
  keep(list(4, TestTenant()));
  EXPECT_EQ(found(third), third) << "another company's";
  keep(fourth);
  EXPECT_EQ(found(third), fourth);
  EXPECT_EQ(found({}), fourth);
}

}  // namespace
}  // namespace coprotect::provisioning
