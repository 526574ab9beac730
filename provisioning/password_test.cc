#include "provisioning/password.h"

#include <gtest/gtest.h>

#include <string>

namespace coprotect::provisioning {
namespace {

Secret secret(std::string_view text) {
  return Secret::copy_of(bytes_of(text));
}

TEST(Password, TakesUnrelatedWords) {
  for (const char* text :
       {"correct horse battery staple", "tromboneVexed-marzipan.glacier9", "k7#Qz!m2Lp@w9Xr$"})
    EXPECT_TRUE(check_password(secret(text), "acme")) << text;
}

TEST(Password, RefusesWhatCanBeGuessedAndSaysWhy) {
  const struct {
    const char* password;
    const char* why;
  } cases[] = {{"password1", "common word"}, {"tr0mb0n3", "replaced by digits"},
               {"zorgblatt", "tenant's"},    {"))))))))))))))", "repeated"},
               {"abcdefghijk", "sequence"},  {"qwertyuiop", ""},
               {"24.12.1987", "date"},       {"", ""}};
  for (const auto& c : cases) {
    const auto status = check_password(secret(c.password), "zorgblatt");
    ASSERT_FALSE(status) << c.password;
    EXPECT_EQ(status.error().code(), Code::denied);
    EXPECT_NE(status.error().message().find(c.why), std::string::npos)
        << c.password << ": " << status.error().message();
    if (std::string_view(c.password).empty()) continue;
    EXPECT_EQ(status.error().message().find(c.password), std::string::npos)
        << "the message quotes the password";
  }
}

TEST(Password, TheTenantsNameIsWorthNothing) {
  const std::string name = "grundstuecksverwaltung-oberpfalz";
  EXPECT_GT(*password_bits(secret(name), "acme"), 2 * *password_bits(secret(name), name));
}

TEST(Password, RefusesWhatTheEstimateCannotJudge) {
  EXPECT_EQ(check_password(secret(std::string_view("long enough but\0cut here, so worth less", 39)), "acme")
                .error()
                .code(),
            Code::denied);
  EXPECT_EQ(check_password(secret(std::string(257, 'x')), "acme").error().code(), Code::denied);
}

}  // namespace
}  // namespace coprotect::provisioning
