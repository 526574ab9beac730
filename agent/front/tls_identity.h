#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <memory>

#include "protocol/base/owned.h"
#include "protocol/base/result.h"
#include "protocol/crypto/ecdsa.h"

namespace coprotect::agent::front {

// The server's certificate and its private key: a P-256 key in locked memory. GnuTLS has each handshake
// signed with it and never sees it.
class TlsIdentity {
 public:
  // Reads both, in PEM, from open files. Code::malformed unless they are a certificate and its key.
  static Result<std::shared_ptr<const TlsIdentity>> read(int certificate_file, int key_file);

  gnutls_certificate_credentials_t credentials() const { return credentials_.get(); }

 private:
  using Credentials = Owned<gnutls_certificate_credentials_st, gnutls_certificate_free_credentials>;
  explicit TlsIdentity(protocol::SigningKey key) : key_(std::move(key)) {}
  Status use_certificates(ByteView pem);

  protocol::SigningKey key_;  // outlives the credentials, which refer to it
  Credentials credentials_;
};

}  // namespace coprotect::agent::front
