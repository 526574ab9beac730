#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coprotect {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;
using Digest = ByteArray<32>;  // a SHA-256 output

// The bytes of a text, without a terminator. The text must outlive the view.
inline ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower-case hexadecimal. Not for secrets.
std::string to_hex(ByteView bytes);
// Accepts an even number of hexadecimal digits of either case, and nothing else.
std::optional<Bytes> from_hex(std::string_view text);

}  // namespace coprotect
