#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "client/keyclient/message.h"

namespace coprotect::provider {

// The keys of the client that a URI names.
//   coprotect:NAME    the key with this name in the configuration; the first one has its tenant's name
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
