#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

constexpr std::size_t kAeadKeySize = 32;
constexpr std::size_t kAeadNonceSize = 12;
constexpr std::size_t kAeadTagSize = 16;

// AES-256-GCM of a secret plaintext: ciphertext ‖ tag (16). The caller must not repeat a nonce under one key.
Bytes aead_seal(ByteView key, ByteView nonce, ByteView aad, ByteView plaintext);
// Code::altered if key, nonce, aad or ciphertext is not what was sealed.
Result<Secret> aead_open(ByteView key, ByteView nonce, ByteView aad, ByteView sealed);

}  // namespace coprotect::protocol
