#include "agent/front/tls_identity.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "protocol/base/secret.h"

namespace coprotect::agent::front {
namespace {

constexpr off_t kMaxPem = 64 << 10;

// The whole file, from its beginning wherever the descriptor stands; in locked memory since one of the two is
// a key.
Result<Secret> read_file(int file) {
  struct stat about {};
  if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > kMaxPem)
    return Error(Code::malformed, "not a regular file of at most 64 KiB");
  Secret content(static_cast<std::size_t>(about.st_size));
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t n =
        pread(file, content.fill().data() + have, content.size() - have, static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(Code::unavailable, n == 0 ? "file became shorter" : std::strerror(errno));
    have += static_cast<std::size_t>(n);
  }
  return content;
}

gnutls_datum_t datum(Secret& content) {
  return {content.fill().data(), static_cast<unsigned>(content.size())};
}

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::read(int certificate_file, int key_file) {
  auto certificate = read_file(certificate_file);
  if (!certificate) return std::move(certificate).error().in("TLS certificate");
  auto key = read_file(key_file);
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
