#pragma once

#include <string>
#include <string_view>

namespace coprotect {

// Whether the bytes are UTF-8, with no overlong form, no surrogate and nothing above U+10FFFF (RFC 3629 §4).
bool valid_utf8(std::string_view text);

// A uri of protocol/SPEC.md §1: 1 to 255 visible ASCII characters.
bool valid_uri(std::string_view text);

// Untrusted text as one line that is safe in a terminal, a log or an error. Nothing in it moves the cursor,
// changes the writing direction or is invisible. Each control character (C0, DEL, C1), format character
// (Unicode's Cf, which includes the bidirectional ones), line or paragraph separator, and each byte that is
// not UTF-8 becomes '?'. The result is never longer than `text`.
std::string printable(std::string_view text);

// The longest prefix of `text` that has at most `size` bytes and, if text is UTF-8, ends with a whole
// character.
std::string_view beginning_of(std::string_view text, std::size_t size);

}  // namespace coprotect
