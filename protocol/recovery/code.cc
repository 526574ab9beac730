#include "protocol/recovery/code.h"

#include <string>
#include <string_view>

#include "protocol/base/declassify.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kGroups = 7;
constexpr std::size_t kDataSymbols = 4;  // in a group, before its check symbol
constexpr std::size_t kGroupSymbols = kDataSymbols + 1;
constexpr std::size_t kWrittenSize = kGroups * (kGroupSymbols + 1) - 1;

// A code is secret, so its symbols decide no branch and no address. An observer may learn where separators
// are in the typed code, and which group is mistyped, because an error says so.

// 1 if a = b, else 0, for values below 2^31.
constexpr unsigned is_equal(unsigned a, unsigned b) {
  return ((a ^ b) - 1) >> 31;
}
// 1 if a < b, else 0, for values below 2^31.
constexpr unsigned is_less(unsigned a, unsigned b) {
  return (a - b) >> 31;
}

// a·α in GF(32) = GF(2)[x]/(x⁵+x²+1), α = x.
constexpr unsigned times_alpha(unsigned a) {
  return (a << 1 & 31) ^ (a >> 4 & 1) * 0b00101;
}

// α^g + Σ α^(i+1)·d_i (SPEC.md §8.1), by Horner's rule from the last symbol.
unsigned check_value(std::size_t group, ByteView data) {
  unsigned sum = 0;
  for (std::size_t i = kDataSymbols; i-- > 0;) sum = times_alpha(sum ^ data[i]);
  unsigned position = 1;
  for (std::size_t i = 0; i < group; ++i) position = times_alpha(position);
  return position ^ sum;
}

// The symbol for a value below 32.
std::uint8_t symbol_of(unsigned value) {
  unsigned symbol = 0;
  for (unsigned i = 0; i < kAlphabet.size(); ++i)
    symbol |= is_equal(i, value) * static_cast<unsigned char>(kAlphabet[i]);
  return static_cast<std::uint8_t>(symbol);
}

// The value of a typed symbol.
std::optional<std::uint8_t> value_of(std::uint8_t typed) {
  unsigned c = typed;
  c -= (1 - is_less(c, 'a')) * is_less(c, 'z' + 1) * ('a' - 'A');
  c ^= (is_equal(c, 'I') | is_equal(c, 'L')) * (c ^ '1');
  c ^= is_equal(c, 'O') * (c ^ '0');
  unsigned value = 0;
  unsigned known = 0;
  for (unsigned i = 0; i < kAlphabet.size(); ++i) {
    const unsigned found = is_equal(c, static_cast<unsigned char>(kAlphabet[i]));
    value |= found * i;
    known |= found;
  }
  if (declassified(known) == 0) return std::nullopt;  // its group is mistyped
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
  const auto write = [&](unsigned value) { written.fill()[at++] = symbol_of(value); };
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
  // From a file with CR LF line endings.
  if (!typed.empty() && declassified(is_equal(typed.back(), '\r')) != 0)
    typed = typed.first(typed.size() - 1);
  Secret data(kGroups * kDataSymbols);
  Secret group_values(kDataSymbols);
  std::size_t symbols = 0;
  for (const std::uint8_t c : typed) {
    if (declassified(is_equal(c, ' ') | is_equal(c, '-')) != 0) continue;
    const std::size_t group = symbols / kGroupSymbols;
    const std::size_t place = symbols % kGroupSymbols;
    if (group == kGroups) return wrong("more than 7 groups");
    const auto value = value_of(c);
    if (!value) return mistyped(group);
    if (place < kDataSymbols) {
      group_values.fill()[place] = *value;
      data.fill()[group * kDataSymbols + place] = symbol_of(*value);
    } else if (declassified(check_value(group, group_values.reveal()) ^ *value) != 0) {
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
