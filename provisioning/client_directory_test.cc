#include "provisioning/client_directory.h"

#include <sys/stat.h>

#include <fstream>

#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

class ClientFolder : public testing::Test {
 protected:
  Status create() const {
    return create_client_directory(folder_, {"alice", "acme", tenant_.bundle.key_id(), certificate_, key_},
                                   tenant_.bundle.encoded());
  }
  Code refusal() const { return ClientDirectory::load(folder_ / "config.toml").error().code(); }

  const TestTenant tenant_;
  const protocol::SigningKey key_ = protocol::SigningKey::generate(system_random());
  const protocol::Certificate certificate_ =
      tenant_.client({"coprotect:acme:user:alice", "coprotect:acme:group:finance"}, key_.public_key());
  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_ / "alice";
};

TEST_F(ClientFolder, IsReadAsItWasWritten) {
  ASSERT_TRUE(create());
  const auto read = ClientDirectory::load(folder_ / "config.toml");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->bundle.key_id(), tenant_.bundle.key_id());
  EXPECT_EQ(read->certificate.der(), certificate_.der());
  EXPECT_EQ(read->key.public_key(), key_.public_key());
  EXPECT_EQ(read->identity.uri, "coprotect:acme:user:alice");
  EXPECT_EQ(read->identity.groups, std::vector<std::string>{"coprotect:acme:group:finance"});
}

TEST_F(ClientFolder, HidesTheKey) {
  ASSERT_TRUE(create());
  struct stat info {};
  ASSERT_EQ(stat((folder_ / "alice.key.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(folder_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(ClientFolder, IsNotOverwritten) {
  ASSERT_TRUE(create());
  const auto before = *client::read_small_file(folder_ / "alice.key.pem", kMaxFile);
  EXPECT_FALSE(create());
  EXPECT_EQ(*client::read_small_file(folder_ / "alice.key.pem", kMaxFile), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch_.path()), fs::directory_iterator()), 1)
      << "a temporary folder stayed";
}

TEST_F(ClientFolder, RefusesABundleOfAnotherKey) {
  ASSERT_TRUE(create());
  const TestTenant other;
  ASSERT_TRUE(write_client_bundle(folder_, "acme", other.bundle.encoded()));
  EXPECT_EQ(refusal(), Code::unauthenticated);
}

TEST_F(ClientFolder, RefusesAKeyThatDoesNotFit) {
  ASSERT_TRUE(create());
  const auto other = protocol::SigningKey::generate(system_random());
  ASSERT_TRUE(write_durable(folder_ / "alice.key.pem", other.to_pem().reveal(), kPrivateMode));
  EXPECT_EQ(refusal(), Code::malformed);
}

TEST_F(ClientFolder, RefusesAConfigurationThatIsNotOne) {
  ASSERT_TRUE(create());
  for (const char* text : {"", "key_id = ",
                           "key_id = \"00\"\nbundle = \"acme.bundle\"\ncertificate = \"alice.pem\"\nkey = "
                           "\"alice.key.pem\"\n"}) {
    ASSERT_TRUE(write_durable(folder_ / "config.toml", bytes_of(text), kPublicMode));
    EXPECT_EQ(refusal(), Code::malformed) << text;
  }
  fs::remove(folder_ / "config.toml");
  EXPECT_EQ(refusal(), Code::not_found);
}

}  // namespace
}  // namespace coprotect::provisioning
