#pragma once

#include <string>
#include <string_view>

namespace coprotect {

// Whether the bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF (RFC 3629 §4).
bool valid_utf8(std::string_view text);

// A uri of protocol/SPEC.md §1: 1 to 255 visible ASCII characters.
bool valid_uri(std::string_view text);

// Somebody else's text as one line that may go to a terminal, a log or an error: nothing in it moves the
// cursor, turns the direction of writing or cannot be seen. Each control character (C0, DEL, C1), format
// character (Unicode's Cf, with the bidirectional ones), line and paragraph separator, and each byte that is
// not UTF-8 becomes '?'. Never longer than `text`.
std::string printable(std::string_view text);

// The beginning of `text` that has at most `size` bytes and ends with a whole character, if text is UTF-8.
std::string_view beginning_of(std::string_view text, std::size_t size);

}  // namespace coprotect
