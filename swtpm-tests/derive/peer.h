#pragma once

#include <openssl/evp.h>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"
#include "protocol/base/secret.h"
#include "protocol/group/suite.h"

namespace coprotect::harness {

// Somebody with a key pair of their own, made and used by OpenSSL alone: P-256 or a group of RFC 7919.
class Peer {
 public:
  explicit Peer(protocol::SuiteId suite);

  // P-256 an uncompressed point, MODP as long as the prime.
  Bytes public_value() const;
  // The Diffie–Hellman secret with somebody's public value, in full width.
  Secret shared_secret(ByteView other) const;

 private:
  Owned<EVP_PKEY, EVP_PKEY_free> key_;
};

}  // namespace coprotect::harness
