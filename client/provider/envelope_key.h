#pragma once

#include <openssl/core_dispatch.h>

#include "client/provider/context.h"

namespace coprotect::provider {

// What OpenSSL calls keys of purpose envelope: a type of their own, because nobody may derive with them.
constexpr const char* kEnvelopeName = "COPROTECT-ENVELOPE";

// What is behind an EVP_PKEY of that type.
struct EnvelopeKey {
  EnvelopeKey(Context& its_context, std::shared_ptr<const keyclient::Key> its_key, bool with_private_half)
      : context(&its_context), key(std::move(its_key)), is_private(with_private_half) {}

  Context* context;
  std::shared_ptr<const keyclient::Key> key;
  bool is_private;  // whether the agents may be asked through it
};

// OpenSSL's KEYMGMT for them. They come from the store alone, and go to no other provider.
const OSSL_DISPATCH* envelope_key_management();

}  // namespace coprotect::provider
