#include "agent/front/tls_identity.h"

#include <gnutls/crypto.h>

#include <algorithm>
#include <array>
#include <string>

#include "agent/ipc/open_file.h"
#include "protocol/base/arena.h"
#include "protocol/base/dead_stack.h"

namespace coprotect::agent::front {
namespace {

constexpr unsigned kMaxSent = 8;  // certificates sent, including the server's own
constexpr int kBits = 256;

using PrivateKey = Owned<gnutls_privkey_st, gnutls_privkey_deinit>;

Error malformed(int result) {
  return {Code::malformed, std::string("TLS certificate and key: ") + gnutls_strerror(result)};
}

// Answers GnuTLS's questions about the key that it does not have.
int about_key(gnutls_privkey_t, unsigned what, void*) {
  // The signature algorithm in question is in the upper bits.
  const auto algorithm = static_cast<gnutls_sign_algorithm_t>(GNUTLS_FLAGS_TO_SIGN_ALGO(what));
  if ((what & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0)
    return algorithm == GNUTLS_SIGN_ECDSA_SHA256 || algorithm == GNUTLS_SIGN_ECDSA_SECP256R1_SHA256;
  if ((what & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) return kBits;
  if ((what & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) return GNUTLS_PK_ECDSA;
  return -1;
}

// Signs a hash for GnuTLS, which calls this after about_key().
int sign(gnutls_privkey_t, gnutls_sign_algorithm_t algorithm, void* key, unsigned, const gnutls_datum_t* hash,
         gnutls_datum_t* signature) {
  Digest digest;
  if ((algorithm != GNUTLS_SIGN_ECDSA_SHA256 && algorithm != GNUTLS_SIGN_ECDSA_SECP256R1_SHA256) ||
      hash->size != digest.size())
    return GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM;
  const WipesDeadStack nonce;
  std::copy_n(hash->data, digest.size(), digest.begin());
  auto pair = static_cast<const protocol::SigningKey*>(key)->sign(digest);
  const gnutls_datum_t r = {pair.data(), 32};
  const gnutls_datum_t s = {pair.data() + 32, 32};
  return gnutls_encode_rs_value(signature, &r, &s);
}

}  // namespace

Status TlsIdentity::use_certificates(ByteView pem) {
  const gnutls_datum_t text = {const_cast<std::uint8_t*>(pem.data()), static_cast<unsigned>(pem.size())};
  std::array<gnutls_pcert_st, kMaxSent> chain{};
  unsigned count = kMaxSent;
  if (const int result =
          gnutls_pcert_list_import_x509_raw(chain.data(), &count, &text, GNUTLS_X509_FMT_PEM, 0);
      result < 0)
    return malformed(result);
  PrivateKey key;
  int result = gnutls_privkey_init(out(key));
  if (result == GNUTLS_E_SUCCESS)
    result = gnutls_privkey_import_ext4(key.get(), &key_, nullptr, sign, nullptr, nullptr, about_key, 0);
  // Checks that the key belongs to the certificate; takes ownership of both on success.
  if (result == GNUTLS_E_SUCCESS)
    result = gnutls_certificate_set_key(credentials_.get(), nullptr, 0, chain.data(), static_cast<int>(count),
                                        key.get());
  if (result < 0) {
    for (unsigned i = 0; i < count; ++i) gnutls_pcert_deinit(&chain[i]);
    return malformed(result);
  }
  key.release();
  return Done{};
}

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::read(int certificate_file, int key_file) {
  const auto certificate = ipc::read_open_file(certificate_file);
  if (!certificate) return Error(certificate.error()).in("TLS certificate");
  const auto key_pem = ipc::read_open_file(key_file);
  if (!key_pem) return Error(key_pem.error()).in("TLS key");
  auto key = [&key_pem] {
    const locked_memory::KeyScope in_locked_memory;
    const WipesDeadStack nothing_left;
    return protocol::SigningKey::from_pem(key_pem->reveal());
  }();
  if (!key) return std::move(key).error().in("TLS key");

  std::shared_ptr<TlsIdentity> identity(new TlsIdentity(*std::move(key)));
  if (gnutls_certificate_allocate_credentials(out(identity->credentials_)) != GNUTLS_E_SUCCESS)
    return Error(Code::internal, "out of memory");
  if (auto used = identity->use_certificates(certificate->reveal()); !used) return std::move(used).error();
  return std::shared_ptr<const TlsIdentity>(std::move(identity));
}

}  // namespace coprotect::agent::front
