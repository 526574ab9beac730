#include "protocol/recovery/code.h"

#include <array>
#include <string>
#include <string_view>

namespace coprotect::protocol {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kGroups = 7;
constexpr std::size_t kDataSymbols = 4;  // in a group, before its check symbol
constexpr std::size_t kGroupSymbols = kDataSymbols + 1;
constexpr std::size_t kWrittenSize = kGroups * (kGroupSymbols + 1) - 1;

// a·α in GF(32) = GF(2)[x]/(x⁵+x²+1), α = x.
constexpr unsigned times_alpha(unsigned a) {
  return (a << 1 & 31) ^ ((a & 16) != 0 ? 0b00101 : 0);
}

// α^g + Σ α^(i+1)·d_i (SPEC.md §8.1), by Horner's rule from the last symbol.
unsigned check_value(std::size_t group, ByteView data) {
  unsigned sum = 0;
  for (std::size_t i = kDataSymbols; i-- > 0;) sum = times_alpha(sum ^ data[i]);
  unsigned position = 1;
  for (std::size_t i = 0; i < group; ++i) position = times_alpha(position);
  return position ^ sum;
}

// The value of a symbol as people write it.
std::optional<std::uint8_t> value_of(std::uint8_t typed) {
  char c = static_cast<char>(typed);
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (c == 'I' || c == 'L') c = '1';
  if (c == 'O') c = '0';
  const std::size_t value = kAlphabet.find(c);
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

Error wrong(const std::string& why) {
  return {Code::wrong_code, "recovery code: " + why};
}
Error mistyped(std::size_t group) {
  return wrong("group " + std::to_string(group + 1) + " is mistyped");
}

}  // namespace

Secret generate_code(Random& random) {
  Secret written(kWrittenSize);
  Secret data(kDataSymbols);
  std::size_t at = 0;
  const auto write = [&](std::size_t value) {
    written.fill()[at++] = static_cast<std::uint8_t>(kAlphabet[value]);
  };
  for (std::size_t group = 0; group < kGroups; ++group) {
    if (group > 0) written.fill()[at++] = '-';
    random.fill(data.fill());
    for (std::uint8_t& symbol : data.fill()) symbol &= 31;  // 32 divides 256: still uniform
    for (const std::uint8_t symbol : data.reveal()) write(symbol);
    write(check_value(group, data.reveal()));
  }
  return written;
}

Result<Secret> read_code(ByteView typed) {
  Secret data(kGroups * kDataSymbols);
  Secret group_values(kDataSymbols);
  std::size_t symbols = 0;
  for (const std::uint8_t c : typed) {
    if (c == ' ' || c == '-') continue;
    const std::size_t group = symbols / kGroupSymbols;
    const std::size_t place = symbols % kGroupSymbols;
    if (group == kGroups) return wrong("more than 7 groups");
    const auto value = value_of(c);
    if (!value) return mistyped(group);
    if (place < kDataSymbols) {
      group_values.fill()[place] = *value;
      data.fill()[group * kDataSymbols + place] = static_cast<std::uint8_t>(kAlphabet[*value]);
    } else if (check_value(group, group_values.reveal()) != *value) {
      return mistyped(group);
    }
    ++symbols;
  }
  if (symbols % kGroupSymbols != 0)
    return wrong("group " + std::to_string(symbols / kGroupSymbols + 1) + " is incomplete");
  if (symbols < kGroups * kGroupSymbols)
    return wrong("only " + std::to_string(symbols / kGroupSymbols) + " of 7 groups");
  return data;
}

}  // namespace coprotect::protocol
