#pragma once

#include <memory>

#include "protocol/x509/certificate.h"

namespace coprotect::agent::relay {

// The agent's identity towards other agents: the same certificate and key that its front serves with.
struct TlsIdentity {
  protocol::Certificate certificate;
  protocol::SigningKey key;

  // Reads both, in PEM, from open files. Code::malformed unless they are a certificate and its key.
  static Result<std::shared_ptr<const TlsIdentity>> read(int certificate_file, int key_file);
};

}  // namespace coprotect::agent::relay
