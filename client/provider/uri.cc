#include "client/provider/uri.h"

#include <algorithm>

namespace coprotect::provider {
namespace {

constexpr std::string_view kScheme = "coprotect:";
constexpr std::string_view kId = "id=";

bool in_a_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

Error not_a_uri(std::string_view uri) {
  return {Code::malformed, "\"" + keyclient::one_line(uri) +
                               "\" names no key: it is coprotect:NAME, coprotect:id=KEY_ID or coprotect:"};
}

}  // namespace

Result<KeyUri> KeyUri::parse(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return not_a_uri(uri);
  const std::string_view rest = uri.substr(kScheme.size());
  if (rest.starts_with(kId)) {
    const auto bytes = from_hex(rest.substr(kId.size()));
    keyclient::KeyId key_id;
    if (!bytes || bytes->size() != key_id.size()) return not_a_uri(uri);
    std::ranges::copy(*bytes, key_id.begin());
    return KeyUri{.name = {}, .key_id = key_id};
  }
  if (rest.size() > keyclient::kMaxKeyName || !std::ranges::all_of(rest, in_a_name)) return not_a_uri(uri);
  return KeyUri{.name = std::string(rest), .key_id = std::nullopt};
}

}  // namespace coprotect::provider
