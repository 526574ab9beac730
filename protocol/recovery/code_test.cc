#include "protocol/recovery/code.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/testdata/fixed_random.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

std::string generated() {
  return std::string(text_of(generate_code(system_random()).reveal()));
}

// The error's message for a typed code, or nothing if it is accepted.
std::string refusal(const std::string& typed) {
  const auto read = read_code(bytes_of(typed));
  if (read) return {};
  EXPECT_EQ(read.error().code(), Code::wrong_code);
  return read.error().message();
}

std::string mistyped(std::size_t group) {
  return "recovery code: group " + std::to_string(group) + " is mistyped";
}

// The position of a symbol in a written code, with its hyphens.
std::size_t position(std::size_t group, std::size_t place) {
  return group * 6 + place;
}

TEST(RecoveryCode, IsWrittenInGroupsAndReadBack) {
  for (int run = 0; run < 100; ++run) {
    const std::string code = generated();
    ASSERT_EQ(code.size(), 41u);
    std::string data;
    for (std::size_t group = 0; group < 7; ++group) {
      data += code.substr(position(group, 0), 4);
      EXPECT_TRUE(group == 0 || code[position(group, 0) - 1] == '-');
    }
    const auto read = read_code(bytes_of(code));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(text_of(read->reveal()), data);
  }
}

// Computed by hand from SPEC.md §8.1: α⁰…α⁶ = 1 2 4 8 16 5 10; for the group "0000" the check symbol is α^g,
// and the group "1000" adds α, "0100" α², "0010" α³, "0001" α⁴.
TEST(RecoveryCode, ChecksAsSpecified) {
  FixedRandom zeros(Bytes(28, 0));
  EXPECT_EQ(text_of(generate_code(zeros).reveal()), "00001-00002-00004-00008-0000G-00005-0000A");
  FixedRandom units(
      Bytes{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 31, 0, 0, 0, 224, 0, 0, 0});
  // 1^2, 2^4, 4^8, 8^16, 16^2^4^8^16, 5^(31·α = 27), 10 (the random byte 224 is the symbol 0)
  EXPECT_EQ(text_of(generate_code(units).reveal()), "10003-01006-0010C-0001R-1111E-Z000Y-0000A");
}

TEST(RecoveryCode, ReadsWhatPeopleType) {
  FixedRandom units(
      Bytes{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 31, 0, 0, 0, 0, 0, 0, 0});
  const Secret code = generate_code(units);
  const auto plain = read_code(code.reveal());
  ASSERT_TRUE(plain);
  for (const std::string_view typed :
       {"10003-01006-0010c-0001r-1111e-z000y-0000a", "  10003 01006 0010C 0001R 1111E Z000Y 0000A ",
        "1000301006001 0C0001R1111EZ000Y0000A", "IOoo3-0L0o6-00l0C-000iR-iIlLE-Z000Y-OOOOA",
        "10003--01006-0010C-0001R-1111E-Z000Y-0000A-", "10003-01006-0010C-0001R-1111E-Z000Y-0000A\r"}) {
    const auto read = read_code(bytes_of(typed));
    ASSERT_TRUE(read) << typed << ": " << read.error().message();
    EXPECT_TRUE(equal_in_constant_time(*read, *plain));
  }
}

TEST(RecoveryCode, NamesTheGroupOfEachSingleMistake) {
  const std::string code = generated();
  for (std::size_t group = 0; group < 7; ++group) {
    for (std::size_t place = 0; place < 5; ++place) {
      for (const char symbol : kAlphabet) {
        std::string typed = code;
        typed[position(group, place)] = symbol;
        EXPECT_EQ(refusal(typed), typed == code ? "" : mistyped(group + 1));
      }
    }
  }
}

TEST(RecoveryCode, NamesTheGroupOfSwappedNeighbours) {
  for (int run = 0; run < 20; ++run) {
    const std::string code = generated();
    for (std::size_t group = 0; group < 7; ++group) {
      for (std::size_t place = 0; place < 4; ++place) {
        std::string typed = code;
        std::swap(typed[position(group, place)], typed[position(group, place + 1)]);
        EXPECT_EQ(refusal(typed), typed == code ? "" : mistyped(group + 1));
      }
    }
  }
}

TEST(RecoveryCode, NamesTheFirstOfSwappedGroups) {
  const std::string code = generated();
  for (std::size_t a = 0; a < 7; ++a) {
    for (std::size_t b = a + 1; b < 7; ++b) {
      std::string typed = code;
      std::swap_ranges(typed.begin() + static_cast<std::ptrdiff_t>(position(a, 0)),
                       typed.begin() + static_cast<std::ptrdiff_t>(position(a, 5)),
                       typed.begin() + static_cast<std::ptrdiff_t>(position(b, 0)));
      EXPECT_EQ(refusal(typed), mistyped(a + 1));
    }
  }
}

TEST(RecoveryCode, SaysWhatIsMissingOrTooMuch) {
  const std::string code = generated();
  EXPECT_EQ(refusal(""), "recovery code: only 0 of 7 groups");
  EXPECT_EQ(refusal(code.substr(0, 35)), "recovery code: only 6 of 7 groups");
  EXPECT_EQ(refusal(code.substr(0, 40)), "recovery code: group 7 is incomplete");
  EXPECT_EQ(refusal(code + "-0"), "recovery code: more than 7 groups");
  EXPECT_EQ(refusal(code + "\r\r"), "recovery code: more than 7 groups");
  for (const char* const strange : {"U", "!", "\n", "\r", "\xc3"}) {
    std::string typed = code;
    typed[position(2, 1)] = strange[0];
    EXPECT_EQ(refusal(typed), mistyped(3));
  }
}

}  // namespace
}  // namespace coprotect::protocol
