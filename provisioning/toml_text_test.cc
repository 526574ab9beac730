#include "provisioning/toml_text.h"

#include <gtest/gtest.h>
#include <toml++/toml.h>

namespace coprotect::provisioning {
namespace {

TEST(TomlString, IsReadAsItWasWritten) {
  for (const std::string text : {"plain", "", "with \"quotes\" and \\", "pkcs11:token=a?pin-source=file:/x&y",
                                 "tab\tnewline\nbell\a\x7f"}) {
    const toml::parse_result parsed = toml::parse("value = " + toml_string(text));
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed.table()["value"].value<std::string>(), text);
  }
}

}  // namespace
}  // namespace coprotect::provisioning
