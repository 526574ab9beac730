#include "provisioning/kit_file.h"

#include "provisioning/durable.h"
#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

TEST(PlaceOfKit, IsNoOtherFiles) {
  const harness::Scratch scratch;
  const TestTenant tenant;
  const TestTenant other;
  const auto kit = tenant.kit();
  const auto check = [&](const protocol::RecoveryKit& written) {
    EXPECT_TRUE(write_durable(scratch / "file", written.encode(), kPrivateMode));
    return check_place_of_kit(scratch / "file", kit);
  };
  EXPECT_TRUE(check_place_of_kit(scratch / "new", kit));
  EXPECT_TRUE(check(kit));
  EXPECT_TRUE(check(kit.with_bundle(Bytes(10, 1))));  // the same kit with an older bundle
  // Kits of another code, and of another key.
  for (const auto& wrong : {tenant.kit(), other.kit()}) {
    const auto refused = check(wrong);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::conflict);
    EXPECT_NE(refused.error().message().find("is the kit of another key or code"), std::string::npos);
  }
  ASSERT_TRUE(write_durable(scratch / "file", tenant.bundle.encoded(), kPublicMode));
  EXPECT_EQ(check_place_of_kit(scratch / "file", kit).error().code(), Code::conflict);
  EXPECT_EQ(check_place_of_kit(scratch.path(), kit).error().code(), Code::conflict);  // a folder
}

}  // namespace
}  // namespace coprotect::provisioning
