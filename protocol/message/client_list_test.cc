#include "protocol/message/client_list.h"

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"

namespace coprotect::protocol {
namespace {

class ClientListTest : public testing::Test {
 protected:
  // A list with a valid signature, whatever its contents.
  Bytes signed_list(const std::vector<std::pair<Digest, std::string>>& clients,
                    std::string_view tenant = "acme", std::uint16_t more = 0) const {
    Writer w;
    w.literal("CPCL").u8(1).lp(tenant).u64(4).u64(test::kNow);
    w.u16(static_cast<std::uint16_t>(clients.size() + more));
    for (const auto& [hash, uri] : clients) w.bytes(hash).lp(uri);
    const Signature signature = key.sign(tagged_hash("CPV1-CLIENTS", {sha256(w.view())}));
    w.bytes(signature);
    return std::move(w).take();
  }
  void expect_refused(const Bytes& encoded, Code code, const std::string& message) const {
    const auto parsed = ClientList::parse(encoded, ca);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), code);
    EXPECT_EQ(parsed.error().message(), message);
  }

  const SigningKey key = SigningKey::generate(system_random());
  const Certificate ca = test::make_authority("acme client CA", key);
  const std::string alice = "coprotect:acme:user:alice";
  const std::string bob = "coprotect:acme:user:bob";
  const ClientList list{
      .tenant = "acme", .serial = 4, .time_ms = test::kNow, .clients = {{{2}, bob}, {{1}, alice}}};
};

TEST_F(ClientListTest, IsReadBackAsItWas) {
  const auto parsed = ClientList::parse(list.sign(key), ca);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->tenant, "acme");
  EXPECT_EQ(parsed->serial, 4u);
  EXPECT_EQ(parsed->time_ms, test::kNow);
  EXPECT_EQ(parsed->clients, list.clients);
  EXPECT_TRUE(ClientList::parse(signed_list({}), ca)) << "nobody is enrolled";
}

TEST_F(ClientListTest, IsSignedByTheTenantsCa) {
  const SigningKey other = SigningKey::generate(system_random());
  expect_refused(list.sign(other), Code::unauthenticated,
                 "client list: not signed by the tenant's client CA");
}

TEST_F(ClientListTest, EveryFlippedByteAndEveryOtherLengthIsRefused) {
  Bytes encoded = list.sign(key);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    EXPECT_FALSE(ClientList::parse(flipped, ca)) << i;
    EXPECT_FALSE(ClientList::parse(ByteView(encoded).first(i), ca)) << i;
  }
  encoded.push_back(0);
  EXPECT_FALSE(ClientList::parse(encoded, ca));
}

TEST_F(ClientListTest, ClientsAscend) {
  EXPECT_TRUE(ClientList::parse(signed_list({{{1}, alice}, {{2}, bob}}), ca));
  expect_refused(signed_list({{{2}, bob}, {{1}, alice}}), Code::malformed,
                 "client list: clients are not in order");
  expect_refused(signed_list({{{1}, alice}, {{1}, bob}}), Code::malformed,
                 "client list: clients are not in order");
}

// A signed list with clients that no certificate can name. An agent would put each entry into force.
TEST_F(ClientListTest, ClientsAreIdentitiesOfTheTenant) {
  for (const char* const bad :
       {"coprotect:other:user:alice", "coprotect:acme:group:finance", "coprotect:acme:root:alice",
        "coprotect:acme:user:", "coprotect:acme:user:a:b", "https://acme.example", "alice"}) {
    expect_refused(signed_list({{{1}, bad}}), Code::malformed,
                   "client list: client 0: \"" + std::string(bad) + "\" is no identity of tenant \"acme\"");
  }
  for (const char* const role : {"user", "admin", "recovery"})
    EXPECT_TRUE(ClientList::parse(signed_list({{{1}, "coprotect:acme:" + std::string(role) + ":a"}}), ca));
  expect_refused(signed_list({{{}, alice}}), Code::malformed, "client list: client 0: the hash of no key");
}

TEST_F(ClientListTest, FieldsHaveTheirForm) {
  expect_refused(signed_list({{{1}, ""}}), Code::malformed,
                 "client list: cut off, or a client is not of its form");
  expect_refused(signed_list({{{1}, "a b"}}), Code::malformed,
                 "client list: cut off, or a client is not of its form");
  expect_refused(signed_list({{{1}, alice}}, "acme", 1), Code::malformed,
                 "client list: cut off, or a client is not of its form");
  expect_refused(signed_list({{{1}, alice}}, "Acme"), Code::malformed,
                 "client list: cut off, or a field is not of its form");
}

}  // namespace
}  // namespace coprotect::protocol
