#pragma once

#include "protocol/crypto/argon2.h"
#include "protocol/x509/certificate.h"

namespace coprotect::provisioning {

// The memory that each guess of a passphrase for the client CA key takes. More than for a recovery code,
// because a person chooses the passphrase.
constexpr std::uint32_t kCaKeyMemoryMib = 256;
constexpr protocol::Argon2Cost ca_key_cost(std::uint32_t memory_mib) {
  return {memory_mib * 1024, 3, 4};
}

// The client CA's private key sealed under a passphrase (protocol/SPEC.md §8.4), for `client-ca.key`.
Result<Bytes> seal_ca_key(const protocol::SigningKey& key, const protocol::Certificate& ca,
                          const Secret& passphrase, Random& random, const protocol::Argon2Cost& cost);

// Code::malformed for any other form. Code::conflict if the file belongs to another CA. Code::wrong_code for
// a wrong passphrase.
Result<protocol::SigningKey> open_ca_key(ByteView sealed, const protocol::Certificate& ca,
                                         const Secret& passphrase);

}  // namespace coprotect::provisioning
