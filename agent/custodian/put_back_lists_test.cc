#include <gtest/gtest.h>

#include "agent/custodian/testing/test_put_back.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/list_serial.h"

// A tenant's lists when a store is put back: a peer brings the newest ones, and until then nothing is served
// by an older one.
namespace coprotect::agent::custodian {
namespace {

using testing::Company;
using testing::PutBack;
using testing::TestAgent;
using testing::TestClient;
using testing::Tool;

TEST_F(PutBack, BringsNoRemovedClientBack) {
  save(pair.cloud);
  pair.acme.remove(pair.alice);
  give_and_put_back(ipc::Route::client_list_put, pair.acme.next_list());
  expect_refused(pair.cloud, Code::unauthenticated, "not enrolled");
}

// Who has the CA's key and one agent ends no later list at the others: what a peer tells leaps no further
// than what a client brings.
TEST_F(PutBack, TakesNoLeapOfAListFromAPeer) {
  const auto company =
      must(hsm::Keyring::open(hsm::Token(testing::token_at(token.uri())), pair.company.folder() / "keyring"));
  const auto told = [&](protocol::ListKind kind, Bytes list) {
    const auto asking = question(pair.cloud);
    const protocol::PeerAnswer answer{.answerer = asking.peer,
                                      .question = protocol::sha256(asking.body),
                                      .remembered = {},
                                      .lists = {{kind, std::move(list)}}};
    must(pair.cloud.custodian().peers().heard(asking, answer.sign(company.identity())));
  };
  const auto key_list = [&](std::uint64_t serial) {
    const std::int64_t now = pair.cloud.now_ms();
    return protocol::KeyList{.tenant = "acme",
                             .serial = serial,
                             .time_ms = now,
                             .keys = {{pair.bundle().key_id(), protocol::KeyUse::disabled, now}}}
        .sign(pair.acme.ca_key());
  };
  told(protocol::ListKind::keys, key_list(UINT64_MAX));
  told(protocol::ListKind::clients, pair.acme.list(UINT64_MAX));
  must(decrypt(pair.cloud));
  const auto most = static_cast<std::uint64_t>(pair.cloud.now_ms() + protocol::kMaxSerialAhead);
  told(protocol::ListKind::clients, pair.acme.list(most + 1));
  pair.acme.remove(pair.alice);
  must(pair.cloud.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(),
                       pair.acme.list(most)));
  expect_refused(pair.cloud, Code::unauthenticated, "not enrolled");
  must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(), key_list(1)));
}

// Tenants choose how long their lists are. What does not fit into one answer comes with the next ones.
TEST_F(PutBack, HearsOfMoreListsThanFitIntoAnAnswer) {
  struct Tenant {
    Company* company;
    const TestClient* admin;
  };
  Company second("second", pair.cloud.now_ms());
  Company third("third", pair.cloud.now_ms());
  const TestClient seconds = second.enrol("admin", "root");
  const TestClient thirds = third.enrol("admin", "root");
  const std::vector<Tenant> tenants = {{&pair.acme, &pair.admin}, {&second, &seconds}, {&third, &thirds}};
  for (Company* const company : {&second, &third})
    Tool({&pair.cloud, &pair.company}, *company, protocol::SuiteId::p256).run();
  for (const Tenant& tenant : tenants) {
    protocol::ClientList list{.tenant = tenant.company->tenant(), .serial = 9, .time_ms = 1, .clients = {}};
    list.clients.emplace(tenant.admin->certificate.key_hash(), tenant.admin->uri);
    while (list.clients.size() < protocol::ClientList::kMaxClients) {
      const std::size_t number = list.clients.size();
      list.clients.emplace(
          Digest{1, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)},
          "coprotect:" + list.tenant + ":user:" + std::string(64, 'a'));
    }
    must(pair.cloud.call(ipc::Route::client_list_put, list.tenant, tenant.admin->certificate.der(),
                         list.sign(tenant.company->ca_key())));
  }
  for (int i = 0; i < 3; ++i) {
    const auto asking = question(pair.company);
    const Bytes answer = must(bring(asking, pair.company, pair.cloud));
    EXPECT_LT(answer.size(), ipc::kMaxBody);
    must(pair.company.custodian().peers().heard(asking, answer));
  }
  for (const Tenant& tenant : tenants) {
    const auto list = [&](TestAgent& agent) {
      return must(agent.call(ipc::Route::client_list_get, tenant.company->tenant(),
                             tenant.admin->certificate.der(), {}));
    };
    EXPECT_TRUE(list(pair.company) == list(pair.cloud)) << tenant.company->tenant();
  }
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

// The list that destroys the key was followed by another one, of which the store has nothing any more.
TEST_F(PutBack, ErasesNothingByAListThatWasTakenBack) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::seconds(1);
  pair.cloud.open();
  const auto list = [&](std::uint64_t serial, protocol::KeyUse use) {
    const std::int64_t now = pair.cloud.now_ms();
    return protocol::KeyList{.tenant = "acme",
                             .serial = serial,
                             .time_ms = now,
                             .keys = {{pair.bundle().key_id(), use, now + 2000}}}
        .sign(pair.acme.ca_key());
  };
  const auto put = [&](const Bytes& encoded) {
    must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(), encoded));
  };
  put(list(1, protocol::KeyUse::destroyed));
  save(pair.cloud);
  put(list(2, protocol::KeyUse::decrypt_only));  // taken back
  settle(pair.cloud, pair.company);
  for (const bool heard : {false, true}) {
    put_back(pair.cloud, true);
    if (heard) settle(pair.cloud, pair.company);
    pair.clock->now_ms += 60'000;
    pair.cloud.custodian().sweep();
    EXPECT_EQ(pair.cloud.custodian().not_erased(), "");
    EXPECT_EQ(health(pair.cloud)["keys"], 1);  // that have shares
    pair.cloud.close();
    pair.cloud.open();
    EXPECT_EQ(health(pair.cloud)["keys"], 1);
  }
}

}  // namespace
}  // namespace coprotect::agent::custodian
