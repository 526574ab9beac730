#pragma once

#include <string>
#include <string_view>

namespace coprotect::hsm {

// The name of a token in messages: `token "pkcs11:token=…"`. Omits a PIN in the URI, which is rejected
// elsewhere.
std::string token_label(std::string_view uri);

}  // namespace coprotect::hsm
