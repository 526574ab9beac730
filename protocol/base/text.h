#pragma once

#include <string_view>

namespace coprotect {

// Whether the bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF (RFC 3629 §4).
bool valid_utf8(std::string_view text);

// A uri of protocol/SPEC.md §1: 1 to 255 visible ASCII characters.
bool valid_uri(std::string_view text);

}  // namespace coprotect
