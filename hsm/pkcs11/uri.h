#pragma once

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/owned.h"
#include "protocol/base/result.h"

namespace coprotect::hsm::pkcs11 {

// An RFC 7512 URI that names a token, optionally with a module-path and a pin-source.
class Uri {
 public:
  // Code::malformed for anything that RFC 7512 does not define, and for pin-value, because a PIN does not
  // belong in a configuration.
  static Result<Uri> parse(std::string_view text);

  bool matches_module(const CK_INFO& info) const;
  bool matches_token(const CK_TOKEN_INFO& info) const;
  const std::optional<std::string>& module_path() const { return module_path_; }
  const std::optional<std::string>& pin_source() const { return pin_source_; }
  const std::string& text() const { return text_; }

 private:
  Uri() = default;
  std::string text_;
  Owned<P11KitUri, p11_kit_uri_free> parsed_;
  std::optional<std::string> module_path_;
  std::optional<std::string> pin_source_;
};

}  // namespace coprotect::hsm::pkcs11
