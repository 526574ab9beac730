#include "provisioning/handover/key_folder.h"

#include "provisioning/further_keys.h"
#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

class KeyFolderTest : public testing::Test {
 protected:
  KeyFolderTest() {
    const auto certificate = tenant_.client({"coprotect:acme:admin:root"}, key_.public_key());
    EXPECT_TRUE(make_private_directory(folder_));
    EXPECT_TRUE(write_client_files(folder_ / "admin", {.name = "root",
                                                       .tenant = "acme",
                                                       .key_id = tenant_.bundle.key_id(),
                                                       .certificate = certificate,
                                                       .key = key_}));
    EXPECT_TRUE(write_client_bundle(folder_ / "admin", "acme", tenant_.bundle.encoded()));
    EXPECT_TRUE(write_durable(folder_ / "acme.bundle", tenant_.bundle.encoded(), kPublicMode));
  }
  // The kit of this bundle's code.
  protocol::RecoveryKit kit() const {
    auto blob = *protocol::RecoveryBlob::seal_with({8, 1, 1}, {}, {}, Secret::copy_of(bytes_of("the input")),
                                                   tenant_.bundle.key_id(), protocol::SuiteId::p256,
                                                   tenant_.recovery);
    return protocol::RecoveryKit::seal(
        tenant_.bundle.encoded(), blob.first,
        tenant_.client({"coprotect:acme:recovery:recovery"}, tenant_.tool.public_key()).der(), tenant_.tool,
        nullptr, blob.second, system_random());
  }

  const TestTenant tenant_;
  const protocol::SigningKey key_ = protocol::SigningKey::generate(system_random());
  const harness::Scratch scratch_;
  const std::filesystem::path folder_ = scratch_ / "company";
};

TEST_F(KeyFolderTest, AKitThatIsInItsPlaceIsNoKitThatWasTakenUp) {
  KeyFolder folder = *KeyFolder::open(folder_, "");
  ASSERT_TRUE(write_durable(folder_ / "acme.kit", kit().encode(), kPrivateMode));
  const auto own = folder.take_up(tenant_.bundle);
  ASSERT_TRUE(own);
  EXPECT_FALSE(*own);
  // A kit that was set aside is that one, if the present one has another code.
  ASSERT_TRUE(write_durable(folder_ / "acme.kit", tenant_.kit().encode(), kPrivateMode));
  ASSERT_TRUE(folder.commit(kit(), "the sheet"));
  ASSERT_TRUE(folder.set_aside());
  const auto taken_up = folder.take_up(tenant_.bundle);
  ASSERT_TRUE(taken_up);
  EXPECT_TRUE(*taken_up);
}

TEST_F(KeyFolderTest, AFurtherKeyHasNoNameOfTheFirstKey) {
  EXPECT_TRUE(check_further_name("mail", "acme"));
  for (const char* const name : {"recovery", "acme", "", "../mail"})
    EXPECT_FALSE(check_further_name(name, "acme")) << name;
}

}  // namespace
}  // namespace coprotect::provisioning
