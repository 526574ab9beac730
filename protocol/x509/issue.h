#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

enum class CertificateUse {
  authority,  // CA, path length 0, keyCertSign
  client,     // digitalSignature, clientAuth
  server,     // digitalSignature, serverAuth
  agent,      // digitalSignature, serverAuth and clientAuth: an agent serves, and also calls other agents
};

struct CertificateRequest {
  std::string common_name;
  CertificateUse use;
  std::vector<std::string> uris;
  std::vector<std::string> hosts;  // DNS names or IP addresses, for servers
  std::int64_t not_before_ms;
  std::int64_t not_after_ms;
};

// A certificate for `subject`, signed by `issuer_key` in the name of `issuer`. Without an issuer it is
// self-signed, and issuer_key must be the subject's. Serial numbers are random. Code::malformed for names
// that cannot be encoded.
Result<Certificate> issue_certificate(const CertificateRequest& request, const VerifyKey& subject,
                                      const Certificate* issuer, const SigningKey& issuer_key,
                                      Random& random);

}  // namespace coprotect::protocol
