#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "client/keyclient/message.h"

namespace coprotect::provider {

// Which of the client's keys a URI means.
//   coprotect:NAME    the key that the configuration calls so, the first one by its tenant
//   coprotect:id=HEX  the key with this key_id
//   coprotect:        all
struct KeyUri {
  std::string name;
  std::optional<keyclient::KeyId> key_id;

  // Code::malformed for any other form.
  static Result<KeyUri> parse(std::string_view uri);

  bool means_all() const { return name.empty() && !key_id; }
  bool means(const keyclient::Key& key) const {
    if (key_id) return key.key_id == *key_id;
    return name.empty() || key.name == name;
  }
};

}  // namespace coprotect::provider
