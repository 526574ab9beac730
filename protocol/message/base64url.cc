#include "protocol/message/base64url.h"

#include <string_view>

namespace coprotect::protocol {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

Secret base64url_encode(ByteView bytes) {
  Secret text((bytes.size() * 4 + 2) / 3);
  std::size_t written = 0;
  std::uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    bit_count += 8;
    while (bit_count >= 6) {
      bit_count -= 6;
      text.fill()[written++] = static_cast<std::uint8_t>(kAlphabet[bits >> bit_count & 63]);
    }
  }
  if (bit_count > 0)
    text.fill()[written] = static_cast<std::uint8_t>(kAlphabet[bits << (6 - bit_count) & 63]);
  return text;
}

std::optional<Secret> base64url_decode(ByteView text) {
  if (text.size() % 4 == 1) return std::nullopt;
  Secret bytes(text.size() * 3 / 4);
  std::size_t written = 0;
  std::uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const std::uint8_t c : text) {
    const std::size_t value = kAlphabet.find(static_cast<char>(c));
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      bytes.fill()[written++] = static_cast<std::uint8_t>(bits >> bit_count);
    }
  }
  // The unused bits of the last symbol must be zero.
  if ((bits & ((1u << bit_count) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace coprotect::protocol
