#include "hsm/token_label.h"

#include <algorithm>

namespace coprotect::hsm {

std::string token_label(std::string_view uri) {
  constexpr std::string_view kPin = "pin-value=";
  std::string shown;
  for (std::size_t at = uri.find(kPin); at != std::string_view::npos; at = uri.find(kPin)) {
    shown += std::string(uri.substr(0, at + kPin.size())) + "…";
    uri.remove_prefix(at + kPin.size());
    uri.remove_prefix(std::min(uri.size(), uri.find_first_of("&;")));
  }
  return "token \"" + shown + std::string(uri) + "\"";
}

}  // namespace coprotect::hsm
