#include "provisioning/registry.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "client/test_agents.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/clock.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCaPassphrase = "a passphrase";

// A company's folder, and agents that report and refuse lists as a test defines.
class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    const auto& ca = agents_.newest().parameters()->client_ca;
    must(make_private_directory(folder_));
    must(write_durable(folder_ / "acme.bundle", agents_.newest().encoded(), kPublicMode));
    must(write_durable(folder_ / "client-ca.key",
                       must(seal_ca_key(agents_.client_ca_key(), ca, Secret::copy_of(bytes_of(kCaPassphrase)),
                                        system_random(), {8, 1, 1})),
                       kPrivateMode));
  }
  Bytes list(std::uint64_t serial, std::int64_t time_ms = 1) const {
    return protocol::ClientList{.tenant = "acme", .serial = serial, .time_ms = time_ms, .clients = {}}.sign(
        agents_.client_ca_key());
  }
  void all_refuse() {
    for (const char* const name : {"cloud", "company"})
      agents_.agent(name).takes_list = Error(Code::conflict, "no such list is taken");
  }
  // Like a command that needs the newest client list.
  Result<protocol::ClientList> clients(ListBase base = ListBase::newest) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    EXPECT_EQ(write(ends[1], kCaPassphrase.data(), kCaPassphrase.size()),
              static_cast<ssize_t>(kCaPassphrase.size()));
    close(ends[1]);
    const Operator person{{.show_code = {}, .code = {}, .ca_passphrase = ends[0]}};
    auto registry = must(Registry::open(folder_, person, now_ms(), system_random()));
    close(ends[0]);
    return registry.clients(base);
  }

  client::test::TestAgents agents_{protocol::SuiteId::p256};
  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_ / "company";
};

// The agents have two lists with one number, and the folder has none. The next run must not treat one of them
// as the folder's.
TEST_F(RegistryTest, AListThatAllRefuseLeavesTheFolderAsItWas) {
  agents_.agent("cloud").list = list(5, 1);
  agents_.agent("company").list = list(5, 2);
  const fs::path file = folder_ / kClientLists.file;
  all_refuse();
  EXPECT_EQ(clients().error().code(), Code::conflict);
  EXPECT_FALSE(fs::exists(file));
  const Bytes own = list(4);
  must(write_durable(file, own, kPublicMode));
  EXPECT_EQ(clients().error().code(), Code::conflict);
  EXPECT_EQ(must(client::read_small_file(file, kMaxFile)), own);
}

// From then on the list above both is the folder's.
TEST_F(RegistryTest, AListOverTwoOfOneNumberIsKept) {
  agents_.agent("cloud").list = list(5, 1);
  agents_.agent("company").list = list(5, 2);
  EXPECT_EQ(must(clients()).serial, 6u);
  const Bytes kept = must(client::read_small_file(folder_ / kClientLists.file, kMaxFile));
  EXPECT_EQ(must(kClientLists.serial(kept, agents_.newest().parameters()->client_ca)), 6u);
}

// A front claims that the agent accepted the list, but withholds it. The removed client would stay enrolled.
TEST_F(RegistryTest, WhatIsNotSignedByTheAgentWasNotTaken) {
  const client::Credentials person = agents_.credentials();
  SignedLists lists(kClientLists, agents_.newest(), {person.certificate}, person.key);
  EXPECT_TRUE(lists.push(list(5)));
  agents_.agent("cloud").takes_list = Bytes{'o', 'k'};
  const Status given = lists.push(list(6));
  ASSERT_FALSE(given);
  EXPECT_EQ(given.error().code(), Code::bad_proof);
  const std::string& why = given.error().message();
  EXPECT_TRUE(why.starts_with("cloud agent: the answer to the client list is not signed by the agent"))
      << why;
  EXPECT_FALSE(lists.refused_by_all());
}

// Another signer made it. If it would lock the company out, it is accepted only after the operator confirms
// it.
TEST_F(RegistryTest, AListThatIsNotTheFoldersIsShown) {
  const auto signed_list = [&](std::uint64_t serial, std::map<Digest, std::string> clients) {
    return protocol::ClientList{
        .tenant = "acme", .serial = serial, .time_ms = 1, .clients = std::move(clients)}
        .sign(agents_.client_ca_key());
  };
  const std::string recovery = "coprotect:acme:recovery:recovery";
  const std::string alice = "coprotect:acme:user:alice";
  must(write_durable(folder_ / "client-list", signed_list(5, {{Digest{1}, recovery}, {Digest{2}, alice}}),
                     kPublicMode));
  const auto agents_have = [&](std::map<Digest, std::string> clients) {
    const Bytes list = signed_list(20, std::move(clients));
    for (const char* const name : {"cloud", "company"}) agents_.agent(name).list = list;
  };
  agents_have({{Digest{1}, recovery}});
  testing::internal::CaptureStderr();
  EXPECT_EQ(must(clients()).clients.size(), 1u);
  const std::string warned = testing::internal::GetCapturedStderr();
  EXPECT_NE(warned.find("client list 20"), std::string::npos) << warned;
  EXPECT_NE(warned.find("its last one is 5; removed 1: " + alice), std::string::npos) << warned;

  // Agents identify a client by key and name, so the same keys under other names also lock everybody out.
  agents_have({{Digest{1}, "coprotect:acme:user:x"}, {Digest{2}, "coprotect:acme:user:y"}});
  EXPECT_EQ(clients().error().code(), Code::conflict);
  agents_have({{Digest{3}, "coprotect:acme:admin:evil"}});
  EXPECT_EQ(clients().error().code(), Code::conflict);
  EXPECT_EQ(must(clients(ListBase::as_at_agents)).clients.size(), 1u);
  const auto folders = must(clients(ListBase::as_in_folder));
  EXPECT_EQ(folders.clients.size(), 2u);
  EXPECT_EQ(folders.serial, 20u);
}

}  // namespace
}  // namespace coprotect::provisioning
