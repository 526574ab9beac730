#pragma once

#include <string_view>

namespace coprotect::protocol {

// Each encrypted file begins with this, whatever its name (FILE.md §1).
inline constexpr std::string_view kHeaderMagic("CPV1\r\n\x1a\0", 8);

}  // namespace coprotect::protocol
