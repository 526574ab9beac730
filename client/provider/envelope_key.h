#pragma once

#include <openssl/core_dispatch.h>

#include "client/provider/context.h"

namespace coprotect::provider {

// OpenSSL's name for keys of purpose envelope. They have their own type because they must not be used to
// derive.
constexpr const char* kEnvelopeName = "COPROTECT-ENVELOPE";

// The object behind an EVP_PKEY of that type.
struct EnvelopeKey {
  EnvelopeKey(Context& its_context, std::shared_ptr<const keyclient::Key> its_key, bool with_private_half)
      : context(&its_context), key(std::move(its_key)), is_private(with_private_half) {}

  Context* context;
  std::shared_ptr<const keyclient::Key> key;
  bool is_private;  // whether it may be used to ask the agents
};

// OpenSSL's KEYMGMT for them. They come only from the store, and are never exported to another provider.
const OSSL_DISPATCH* envelope_key_management();

}  // namespace coprotect::provider
