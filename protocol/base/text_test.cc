#include "protocol/base/text.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/base/secret_writer.h"
#include "protocol/base/writer.h"

namespace coprotect {
namespace {

TEST(Utf8, AcceptsWhatRfc3629Defines) {
  for (const char* const good :
       {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Prüfung 文書 🔑"}) {
    EXPECT_TRUE(valid_utf8(good)) << good;
  }
  EXPECT_TRUE(valid_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, RefusesEverythingElse) {
  for (const char* const bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xe1\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x90\x80", "\xff", "\xfe", "a\x80z"}) {
    EXPECT_FALSE(valid_utf8(bad));
  }
}

TEST(Uri, IsShortAndVisible) {
  EXPECT_TRUE(valid_uri("coprotect:acme:user:alice"));
  EXPECT_TRUE(valid_uri(std::string(255, '~')));
  EXPECT_FALSE(valid_uri(""));
  EXPECT_FALSE(valid_uri(std::string(256, 'a')));
  EXPECT_FALSE(valid_uri("a b"));
  EXPECT_FALSE(valid_uri("a\x7f"));
  EXPECT_FALSE(valid_uri("ü"));
}

TEST(SecretWriter, WritesWhatWriterWrites) {
  Writer plain;
  SecretWriter secret;
  for (int i = 0; i < 100; ++i) {
    plain.u8(1).u16(2).u32(3).u64(4).lp("some text").bytes(ByteArray<3>{5, 6, 7});
    secret.u8(1).u16(2).u32(3).u64(4).lp("some text").bytes(ByteArray<3>{5, 6, 7});
  }
  const Secret taken = std::move(secret).take();
  EXPECT_TRUE(equal_in_constant_time(taken.reveal(), plain.view()));
}

}  // namespace
}  // namespace coprotect
