#pragma once

#include <string>
#include <string_view>

namespace coprotect::provisioning {

// A TOML 1.0 basic string, including the quotes.
std::string toml_string(std::string_view text);

}  // namespace coprotect::provisioning
