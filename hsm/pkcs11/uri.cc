#include "hsm/pkcs11/uri.h"

#include <utility>

#include "hsm/token_label.h"

namespace coprotect::hsm::pkcs11 {
namespace {

std::optional<std::string> optional_text(const char* text) {
  if (text == nullptr) return std::nullopt;
  return text;
}

}  // namespace

Result<Uri> Uri::parse(std::string_view text) {
  Uri uri;
  uri.text_ = text;
  uri.parsed_.reset(p11_kit_uri_new());
  const auto malformed = [&](const std::string& cause) {
    return Error(Code::malformed, token_label(uri.text_) + ": " + cause);
  };
  const int failure = p11_kit_uri_parse(uri.text_.c_str(), P11_KIT_URI_FOR_ANY, uri.parsed_.get());
  if (failure != P11_KIT_URI_OK) return malformed(p11_kit_uri_message(failure));
  if (p11_kit_uri_any_unrecognized(uri.parsed_.get()) != 0) return malformed("an attribute is not known");
  if (p11_kit_uri_get_pin_value(uri.parsed_.get()) != nullptr)
    return Error(Code::malformed,
                 token_label(uri.text_) + ": it must not hold a PIN: use pin-source instead of pin-value");
  uri.module_path_ = optional_text(p11_kit_uri_get_module_path(uri.parsed_.get()));
  uri.pin_source_ = optional_text(p11_kit_uri_get_pin_source(uri.parsed_.get()));
  return uri;
}

bool Uri::matches_module(const CK_INFO& info) const {
  return p11_kit_uri_match_module_info(parsed_.get(), &info) == 1;
}

bool Uri::matches_token(const CK_TOKEN_INFO& info) const {
  return p11_kit_uri_match_token_info(parsed_.get(), &info) == 1;
}

}  // namespace coprotect::hsm::pkcs11
