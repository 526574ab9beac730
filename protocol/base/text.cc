#include "protocol/base/text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace coprotect {
namespace {

struct Character {
  std::uint32_t code;
  std::size_t size;  // in bytes
};

// The first character of `text`, which is not empty. Nothing if its bytes are not UTF-8.
std::optional<Character> first_of(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  if (lead < 0x80) return Character{lead, 1};
  // The second byte's range excludes overlong forms, surrogates and everything above U+10FFFF.
  std::size_t more = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    more = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    more = 2;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    more = 3;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return std::nullopt;
  }
  if (text.size() <= more) return std::nullopt;
  std::uint32_t code = lead & (0x3fu >> more);
  for (std::size_t i = 1; i <= more; ++i, low = 0x80, high = 0xbf) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte < low || byte > high) return std::nullopt;
    code = code << 6 | (byte & 0x3fu);
  }
  return Character{code, more + 1};
}

// Unicode's general categories Cc, Cf, Zl and Zp (version 15.1), in ascending order. Blocks reserved for
// format characters are included completely.
struct Range {
  std::uint32_t first;
  std::uint32_t last;
};
constexpr std::array kUnprintable = {
    Range{0x00, 0x1f},       Range{0x7f, 0x9f},       Range{0xad, 0xad},       Range{0x600, 0x605},
    Range{0x61c, 0x61c},     Range{0x6dd, 0x6dd},     Range{0x70f, 0x70f},     Range{0x890, 0x891},
    Range{0x8e2, 0x8e2},     Range{0x180e, 0x180e},   Range{0x200b, 0x200f},   Range{0x2028, 0x202e},
    Range{0x2060, 0x206f},   Range{0xfeff, 0xfeff},   Range{0xfff0, 0xfffb},   Range{0x110bd, 0x110bd},
    Range{0x110cd, 0x110cd}, Range{0x13430, 0x1343f}, Range{0x1bca0, 0x1bca3}, Range{0x1d173, 0x1d17a},
    Range{0xe0000, 0xe007f},
};

bool is_printable(std::uint32_t code) {
  const auto range = std::ranges::lower_bound(kUnprintable, code, {}, &Range::last);
  return range == kUnprintable.end() || code < range->first;
}

}  // namespace

bool valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_of(text);
    if (!character) return false;
    text.remove_prefix(character->size);
  }
  return true;
}

bool valid_uri(std::string_view text) {
  return !text.empty() && text.size() <= 255 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const auto character = first_of(text);
    if (character && is_printable(character->code))
      clean += text.substr(0, character->size);
    else
      clean += '?';
    text.remove_prefix(character ? character->size : 1);
  }
  return clean;
}

std::string_view beginning_of(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<std::uint8_t>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace coprotect
