#pragma once

#include <string>
#include <string_view>

namespace coprotect::hsm {

// How messages name a token: `token "pkcs11:token=…"`. A PIN that somebody wrote into the URI, which is
// refused, is not repeated.
std::string token_label(std::string_view uri);

}  // namespace coprotect::hsm
