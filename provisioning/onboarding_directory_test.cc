#include "provisioning/onboarding_directory.h"

#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

class OnboardingFolder : public testing::Test {
 protected:
  OnboardingDirectory open() { return std::move(*OnboardingDirectory::open(folder_, "acme")); }
  void stage(const OnboardingDirectory& directory) {
    EXPECT_TRUE(write_durable(directory.staging() / "client-ca.pem", bytes_of("ca"), kPublicMode));
    EXPECT_TRUE(make_private_directory(directory.staging() / "admin"));
    EXPECT_TRUE(
        write_durable(directory.staging() / "admin" / "config.toml", bytes_of("config"), kPublicMode));
  }

  const TestTenant tenant_;
  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_ / "acme";
};

TEST_F(OnboardingFolder, StandsFromTheCommitOn) {
  {
    auto directory = open();
    ASSERT_TRUE(directory.begin());
    stage(directory);
    EXPECT_FALSE(directory.committed());
  }
  {
    auto directory = open();
    EXPECT_FALSE(directory.committed());
    ASSERT_TRUE(directory.begin());
    EXPECT_TRUE(fs::is_empty(directory.staging())) << "what was not committed is void";
    stage(directory);
    ASSERT_TRUE(directory.commit(tenant_.kit()));
    EXPECT_TRUE(directory.committed());
    EXPECT_FALSE(directory.complete());
  }
  auto directory = open();
  EXPECT_TRUE(directory.committed());
  EXPECT_EQ(directory.kit()->bundle(), tenant_.bundle.encoded());
  EXPECT_EQ(text_of(*client::read_small_file(directory.find("client-ca.pem"), kMaxFile)), "ca");
  ASSERT_TRUE(directory.install());
  EXPECT_TRUE(directory.complete());
  EXPECT_FALSE(fs::exists(directory.staging()));
  EXPECT_EQ(text_of(*client::read_small_file(folder_ / "admin" / "config.toml", kMaxFile)), "config");
  EXPECT_EQ(directory.kit()->bundle(), tenant_.bundle.encoded());
}

TEST_F(OnboardingFolder, FinishesAnInstallationThatWasCutShort) {
  auto directory = open();
  ASSERT_TRUE(directory.begin());
  stage(directory);
  ASSERT_TRUE(directory.commit(tenant_.kit()));
  ASSERT_TRUE(rename_durable(directory.staging() / "admin", folder_ / "admin"));
  ASSERT_TRUE(write_durable(directory.staging() / "client-ca.pem.tmp-AbCdEf", bytes_of("half"), kPublicMode));
  EXPECT_FALSE(directory.complete());
  EXPECT_EQ(directory.find("admin"), folder_ / "admin");
  ASSERT_TRUE(directory.install());
  EXPECT_TRUE(directory.complete());
  EXPECT_TRUE(fs::exists(folder_ / "client-ca.pem"));
  EXPECT_FALSE(fs::exists(folder_ / "client-ca.pem.tmp-AbCdEf"));
  EXPECT_TRUE(directory.install()) << "may be repeated";
}

TEST_F(OnboardingFolder, IsUsedByOneAtATime) {
  const auto directory = open();
  EXPECT_EQ(OnboardingDirectory::open(folder_, "acme").error().code(), Code::conflict);
}

TEST_F(OnboardingFolder, RefusesAFolderWithSomethingElse) {
  ASSERT_TRUE(make_private_directory(folder_));
  ASSERT_TRUE(write_durable(folder_ / "thesis.tex", bytes_of("x"), kPublicMode));
  EXPECT_EQ(OnboardingDirectory::open(folder_, "acme").error().code(), Code::conflict);
}

TEST_F(OnboardingFolder, RefusesAnotherTenants) {
  {
    auto directory = open();
    ASSERT_TRUE(directory.begin());
    ASSERT_TRUE(directory.commit(tenant_.kit()));
    ASSERT_TRUE(directory.install());
  }
  EXPECT_EQ(OnboardingDirectory::open(folder_, "umbrella").error().code(), Code::conflict);
  // Others would exchange what is in it.
  const auto theirs = folder_.string() + "-theirs";
  fs::create_directory(theirs);
  fs::permissions(theirs, fs::perms(0777));
  EXPECT_EQ(OnboardingDirectory::open(theirs, "acme").error().code(), Code::denied);
  fs::permissions(theirs, fs::perms(0755));
  EXPECT_TRUE(OnboardingDirectory::open(theirs, "acme"));
}

}  // namespace
}  // namespace coprotect::provisioning
