#pragma once

#include "client/provider/key_object.h"

namespace coprotect::provider {

// One Diffie–Hellman between a joint key and a peer's public key, which OpenSSL sets up step by step. The
// parameters are those of OpenSSL's own ECDH and DH (EVP_KEYEXCH-ECDH(7), EVP_KEYEXCH-DH(7)). The only KDF is
// X9.63, for ECDH.
class Exchange {
 public:
  Exchange(Context& context, Kind kind) : context_(&context), kind_(kind) {}

  Context& context() const { return *context_; }

  // Code::malformed if it is not a joint key.
  Status begin(const KeyObject& key);
  // Code::malformed if it belongs to another group.
  Status set_peer(const KeyObject& peer);
  Status set(const OSSL_PARAM params[]);
  Status get(OSSL_PARAM params[]) const;

  // The largest possible size of the secret.
  Result<std::size_t> size() const;
  // Asks the agents and writes the secret to `into`, which has room for size(). Returns the actual size: a DH
  // secret has no leading zeros unless padding is requested (RFC 7919 requires it, older protocols do not).
  Result<std::size_t> derive(std::span<std::uint8_t> into) const;

 private:
  Status set_kdf(const OSSL_PARAM params[]);

  Context* context_;
  Kind kind_;
  std::shared_ptr<const keyclient::Key> key_;
  Bytes peer_;
  bool with_kdf_ = false;
  keyclient::Kdf hash_ = keyclient::Kdf::sha1;  // OpenSSL's default
  std::size_t kdf_size_ = 0;
  Bytes shared_info_;
  bool pad_ = false;
};

}  // namespace coprotect::provider
