#include "agent/front/tls_identity.h"

#include <string>

#include "agent/ipc/open_file.h"

namespace coprotect::agent::front {
namespace {

gnutls_datum_t datum(Secret& content) {
  return {content.fill().data(), static_cast<unsigned>(content.size())};
}

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::read(int certificate_file, int key_file) {
  auto certificate = ipc::read_open_file(certificate_file);
  if (!certificate) return std::move(certificate).error().in("TLS certificate");
  auto key = ipc::read_open_file(key_file);
  if (!key) return std::move(key).error().in("TLS key");

  Credentials credentials;
  if (gnutls_certificate_allocate_credentials(out(credentials)) != GNUTLS_E_SUCCESS)
    return Error(Code::internal, "out of memory");
  const gnutls_datum_t certificate_datum = datum(*certificate);
  const gnutls_datum_t key_datum = datum(*key);
  const int result = gnutls_certificate_set_x509_key_mem(credentials.get(), &certificate_datum, &key_datum,
                                                         GNUTLS_X509_FMT_PEM);
  if (result < 0)
    return Error(Code::malformed, std::string("TLS certificate and key: ") + gnutls_strerror(result));
  return std::shared_ptr<const TlsIdentity>(new TlsIdentity(std::move(credentials)));
}

}  // namespace coprotect::agent::front
