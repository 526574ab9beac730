#pragma once

#include <gnutls/gnutls.h>

#include <memory>

#include "protocol/base/owned.h"
#include "protocol/base/result.h"

namespace coprotect::agent::front {

// The server's certificate and private key, as GnuTLS holds them.
class TlsIdentity {
 public:
  // Reads both, in PEM, from open files. Code::malformed if they are not a certificate and its key.
  static Result<std::shared_ptr<const TlsIdentity>> read(int certificate_file, int key_file);

  gnutls_certificate_credentials_t credentials() const { return credentials_.get(); }

 private:
  using Credentials = Owned<gnutls_certificate_credentials_st, gnutls_certificate_free_credentials>;
  explicit TlsIdentity(Credentials credentials) : credentials_(std::move(credentials)) {}

  Credentials credentials_;
};

}  // namespace coprotect::agent::front
