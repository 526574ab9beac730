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

TEST(Printable, KeepsWhatCanBeSeen) {
  for (const char* const good : {"", "plain ~", "Prüfung 文書 🔑", "\xc2\xa0", "\xef\xbf\xbd", "עברית"})
    EXPECT_EQ(printable(good), good);
}

TEST(Printable, ReplacesEachCharacterOfAnyOtherClass) {
  struct {
    const char* what;
    std::string_view text;
  } const bad[] = {
      {"C0", std::string_view("\0", 1)},
      {"line feed", "\n"},
      {"escape", "\x1b"},
      {"DEL", "\x7f"},
      {"C1, first", "\xc2\x80"},
      {"C1, next line", "\xc2\x85"},
      {"C1, CSI", "\xc2\x9b"},
      {"C1, last", "\xc2\x9f"},
      {"soft hyphen", "\xc2\xad"},
      {"Arabic letter mark", "\xd8\x9c"},
      {"zero width space", "\xe2\x80\x8b"},
      {"right-to-left mark", "\xe2\x80\x8f"},
      {"line separator", "\xe2\x80\xa8"},
      {"paragraph separator", "\xe2\x80\xa9"},
      {"left-to-right embedding", "\xe2\x80\xaa"},
      {"right-to-left override", "\xe2\x80\xae"},
      {"word joiner", "\xe2\x81\xa0"},
      {"first strong isolate", "\xe2\x81\xa8"},
      {"pop directional isolate", "\xe2\x81\xa9"},
      {"byte order mark", "\xef\xbb\xbf"},
      {"annotation anchor", "\xef\xbf\xb9"},
      {"musical begin beam", "\xf0\x9d\x85\xb3"},
      {"tag", "\xf3\xa0\x81\x81"},
      {"continuation alone", "\x80"},
      {"raw CSI", "\x9b"},
      {"no lead byte", "\xff"},
  };
  for (const auto& [what, text] : bad) EXPECT_EQ(printable("a" + std::string(text) + "z"), "a?z") << what;
  EXPECT_EQ(printable("a\xc2"), "a?");          // cut off
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(printable("\xc0\x9b"), "??");       // overlong
  EXPECT_EQ(printable("\xe2\x80\xae\xc2\x9b"), "??");
}

TEST(Printable, CoversTheClassesToTheirEnds) {
  const auto utf8 = [](unsigned code) {
    const auto byte = [](unsigned bits) { return static_cast<char>(static_cast<unsigned char>(bits)); };
    if (code < 0x80) return std::string{byte(code)};
    if (code < 0x800) return std::string{byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f))};
    return std::string{byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f))};
  };
  for (unsigned code = 0; code < 0x2100; ++code) {
    const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    const bool format = code == 0xad || (code >= 0x600 && code <= 0x605) || code == 0x61c || code == 0x6dd ||
                        code == 0x70f || code == 0x890 || code == 0x891 || code == 0x8e2 || code == 0x180e ||
                        (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
                        (code >= 0x2060 && code <= 0x206f);
    const bool separator = code == 0x2028 || code == 0x2029;
    EXPECT_EQ(printable(utf8(code)), control || format || separator ? "?" : utf8(code)) << code;
  }
}

TEST(Text, IsCutBetweenCharacters) {
  EXPECT_EQ(beginning_of("abc", 3), "abc");
  EXPECT_EQ(beginning_of("abc", 2), "ab");
  EXPECT_EQ(beginning_of("a\xc3\xbc", 2), "a");
  EXPECT_EQ(beginning_of("\xc3\xbc", 1), "");
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
