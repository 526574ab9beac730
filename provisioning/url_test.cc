#include "provisioning/url.h"

#include <gtest/gtest.h>

namespace coprotect::provisioning {
namespace {

TEST(Url, TakesAddressesAndNamesApart) {
  const auto name = Url::parse("https://agent.example:8443");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->host, "agent.example");
  EXPECT_EQ(name->port, 8443);
  EXPECT_FALSE(name->is_address());
  EXPECT_EQ(name->authority(), "agent.example:8443");

  const auto v4 = Url::parse("https://127.0.0.1:1");
  ASSERT_TRUE(v4);
  EXPECT_TRUE(v4->is_address());

  const auto v6 = Url::parse("https://[::1]:65535");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_TRUE(v6->is_address());
  EXPECT_EQ(v6->authority(), "[::1]:65535");
}

TEST(Url, RefusesEverythingElse) {
  for (const char* text : {"", "https://", "http://host:1", "https://host", "https://host:", "https://host:0",
                           "https://host:65536", "https://host:1/", "https://host:1x", "https://:1",
                           "https://ho st:1", "https://user@host:1", "https://[::1:1", "https://[nonsense]:1",
                           "https://::1:1", "https://host:-1", "https://host:+1", "HTTPS://host:1"})
    EXPECT_EQ(Url::parse(text).error().code(), Code::malformed) << text;
}

TEST(Url, KnowsItsOwnHost) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost"})
    EXPECT_TRUE(is_this_host({host, 1})) << host;
  // RFC 5737 and RFC 3849 reserve these addresses for documentation, RFC 2606 the name.
  for (const char* host : {"192.0.2.1", "2001:db8::1", "does-not-exist.invalid"})
    EXPECT_FALSE(is_this_host({host, 1})) << host;
}

}  // namespace
}  // namespace coprotect::provisioning
