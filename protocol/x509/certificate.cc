#include "protocol/x509/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/machine_failure.h"

namespace coprotect::protocol {
namespace {

using Bio = Owned<BIO, BIO_free>;
using GeneralNames = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

// The SubjectPublicKeyInfo of a P-256 key up to its uncompressed point (RFC 5480): a named curve, and no
// other form.
constexpr ByteArray<26> kP256Info = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

// For a certificate that was parsed after ERR_clear_error().
Error malformed(std::string why) {
  if (machine_failed())
    return {Code::unavailable, "cannot read a certificate: no memory or descriptors left"};
  return {Code::malformed, "certificate: " + std::move(why)};
}

// The DER of an OpenSSL object.
template <typename T, int (*Encode)(const T*, unsigned char**)>
Bytes encoded(const T* object) {
  const int size = Encode(object, nullptr);
  invariant(size >= 0);
  Bytes bytes(static_cast<std::size_t>(size));
  std::uint8_t* end = bytes.data();
  invariant(Encode(object, &end) == size);
  return bytes;
}

struct Names {
  bool sound;          // no alternative names, or one readable extension
  GeneralNames names;  // null if there are none
};

Names alternative_names(const X509* x509) {
  int critical = 0;  // −1 if absent, −2 if there are several
  GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, nullptr)));
  const bool sound = names != nullptr || critical == -1;
  return {sound, std::move(names)};
}

std::optional<std::int64_t> milliseconds(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return std::int64_t{timegm(&parts)} * 1000;
}

}  // namespace

Result<Certificate> Certificate::parse_der(ByteView der) {
  ERR_clear_error();
  if (der.size() > kMaxDer) return malformed("too long");
  const std::uint8_t* in = der.data();
  Owned<X509, X509_free> x509(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  if (x509 == nullptr) return malformed("not DER");
  // OpenSSL also accepts BER, and ignores trailing bytes.
  const Bytes again = encoded<X509, i2d_X509>(x509.get());
  if (!std::equal(again.begin(), again.end(), der.begin(), der.end())) return malformed("not DER");
  if (X509_get_version(x509.get()) != X509_VERSION_3) return malformed("not of version 3");

  const Bytes info = encoded<X509_PUBKEY, i2d_X509_PUBKEY>(X509_get_X509_PUBKEY(x509.get()));
  if (info.size() != kP256Info.size() + 65 || !std::equal(kP256Info.begin(), kP256Info.end(), info.begin()))
    return malformed("key is not a P-256 key");
  auto key = VerifyKey::from_evp(X509_get0_pubkey(x509.get()));
  if (!key) return malformed("key is not a P-256 key");

  // Fills OpenSSL's cache of the extensions, and checks them.
  X509_check_purpose(x509.get(), -1, 0);
  if ((X509_get_extension_flags(x509.get()) & EXFLAG_INVALID) != 0 || !alternative_names(x509.get()).sound)
    return malformed("unreadable extension");
  if (!milliseconds(X509_get0_notBefore(x509.get())) || !milliseconds(X509_get0_notAfter(x509.get())))
    return malformed("unreadable time");
  return Certificate(std::move(x509), Bytes(der.begin(), der.end()), std::move(*key), sha256(info));
}

Result<Certificate> Certificate::parse_pem(ByteView pem) {
  ERR_clear_error();
  if (pem.empty() || pem.size() > 2 * Certificate::kMaxDer) return malformed("not PEM");
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  invariant(bio != nullptr);
  const Owned<X509, X509_free> x509(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (x509 == nullptr) return malformed("not PEM");
  return parse_der(encoded<X509, i2d_X509>(x509.get()));
}

std::string Certificate::pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  invariant(bio != nullptr && PEM_write_bio_X509(bio.get(), x509_.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::vector<std::string> Certificate::uris() const {
  std::vector<std::string> uris;
  const Names alternative = alternative_names(x509_.get());
  for (int i = 0; i < sk_GENERAL_NAME_num(alternative.names.get()); ++i) {
    int type = 0;
    const void* const value =
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(alternative.names.get(), i), &type);
    if (type != GEN_URI) continue;
    // By length: a zero byte inside does not end it.
    const auto* const text = static_cast<const ASN1_IA5STRING*>(value);
    uris.emplace_back(
        text_of({ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text))}));
  }
  return uris;
}

std::int64_t Certificate::not_before_ms() const {
  return milliseconds(X509_get0_notBefore(x509_.get())).value();
}

std::int64_t Certificate::not_after_ms() const {
  return milliseconds(X509_get0_notAfter(x509_.get())).value();
}

Digest key_hash_of(const VerifyKey& key) {
  return sha256(encoded<EVP_PKEY, i2d_PUBKEY>(key.evp()));
}

Certificate::Certificate(const Certificate& other)
    : der_(other.der_), key_(other.key_), key_hash_(other.key_hash_) {
  invariant(X509_up_ref(other.x509_.get()) == 1);
  x509_.reset(other.x509_.get());
}

Certificate& Certificate::operator=(const Certificate& other) {
  Certificate copy(other);
  *this = std::move(copy);
  return *this;
}

}  // namespace coprotect::protocol
