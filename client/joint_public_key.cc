#include "client/joint_public_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "client/derivation.h"
#include "client/files/small_file.h"

namespace coprotect::client {
namespace {

using protocol::EvpKey;
using protocol::SuiteId;
using Number = Owned<BIGNUM, BN_free>;
using Bio = Owned<BIO, BIO_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using X509Certificate = Owned<X509, X509_free>;

constexpr std::size_t kMaxCertificate = 32 * 1024;

// DER from one of OpenSSL's i2d functions.
template <typename Encode, typename Object>
Bytes der_of(Encode encode, const Object* object) {
  const int size = encode(object, nullptr);
  invariant(size > 0);
  Bytes der(static_cast<std::size_t>(size));
  std::uint8_t* end = der.data();
  invariant(encode(object, &end) == size);
  return der;
}

X509Certificate read_certificate(ByteView content) {
  const Bio bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
  invariant(bio != nullptr);
  if (X509Certificate pem(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)); pem != nullptr)
    return pem;
  const std::uint8_t* in = content.data();
  return X509Certificate(d2i_X509(nullptr, &in, static_cast<long>(content.size())));
}

}  // namespace

EvpKey joint_public_key(const protocol::Bundle& bundle) {
  const SuiteId suite = bundle.group().suite();
  const bool point = suite == SuiteId::p256;
  const std::string group(point ? "prime256v1" : protocol::suite_name(suite));
  const Bytes value = public_value(bundle);
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  invariant(builder != nullptr);
  invariant(OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group.c_str(), 0) ==
            1);
  const Number y(BN_bin2bn(value.data(), static_cast<int>(value.size()), nullptr));
  invariant(point ? OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, value.data(),
                                                     value.size()) == 1
                  : OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, y.get()) == 1);
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, point ? "EC" : "DH", nullptr));
  EvpKey key;
  invariant(params != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
  invariant(EVP_PKEY_fromdata(context.get(), out(key), EVP_PKEY_PUBLIC_KEY, params.get()) == 1);
  return key;
}

std::string joint_public_key_pem(const protocol::Bundle& bundle) {
  const Bio bio(BIO_new(BIO_s_mem()));
  invariant(bio != nullptr && PEM_write_bio_PUBKEY(bio.get(), joint_public_key(bundle).get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Bytes prime_of(const protocol::Bundle& bundle) {
  if (bundle.group().suite() == SuiteId::p256) return {};
  BIGNUM* raw = nullptr;
  invariant(EVP_PKEY_get_bn_param(joint_public_key(bundle).get(), OSSL_PKEY_PARAM_FFC_P, &raw) == 1);
  const Number p(raw);
  Bytes prime(bundle.group().element_size());
  invariant(BN_bn2binpad(p.get(), prime.data(), static_cast<int>(prime.size())) > 0);
  return prime;
}

Result<EncryptionCertificate> load_encryption_certificate(const std::filesystem::path& file,
                                                          const protocol::Bundle& bundle) {
  const std::string name = "encryption certificate \"" + file.string() + "\"";
  const auto content = read_small_file(file, kMaxCertificate);
  if (!content) return Error(content.error()).in("encryption certificate");
  const X509Certificate certificate = read_certificate(*content);
  EVP_PKEY* const key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate.get());
  const bool same = key != nullptr && EVP_PKEY_eq(key, joint_public_key(bundle).get()) == 1;
  ERR_clear_error();
  if (certificate == nullptr) return Error(Code::malformed, name + " is no certificate in PEM or DER");
  if (!same) return Error(Code::malformed, name + " is of another key than " + to_hex(bundle.key_id()));
  return EncryptionCertificate{.der = der_of(i2d_X509, certificate.get()),
                               .subject = der_of(i2d_X509_NAME, X509_get_subject_name(certificate.get())),
                               .issuer = der_of(i2d_X509_NAME, X509_get_issuer_name(certificate.get())),
                               .serial = der_of(i2d_ASN1_INTEGER, X509_get0_serialNumber(certificate.get()))};
}

}  // namespace coprotect::client
