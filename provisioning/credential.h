#pragma once

#include "protocol/x509/certificate.h"

namespace coprotect::provisioning {

// A key pair with its certificate.
struct Credential {
  protocol::SigningKey key;
  protocol::Certificate certificate;
};

}  // namespace coprotect::provisioning
