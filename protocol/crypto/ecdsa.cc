#include "protocol/crypto/ecdsa.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "protocol/crypto/machine_failure.h"
#include "protocol/crypto/p256.h"

namespace coprotect::protocol {
namespace {

using Number = Owned<BIGNUM, BN_clear_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using DerSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using Bio = Owned<BIO, BIO_free>;

constexpr std::size_t kMaxDerSignature = 72;
constexpr std::size_t kMaxPem = 65'536;
// (n−1)/2. Both s and n − s verify; only the one that is not greater than this is valid (SPEC.md §1).
constexpr ByteArray<32> kGreatestS = {0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b,
                                      0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};

bool is_low(ByteView s) {
  return !std::ranges::lexicographical_compare(kGreatestS, s);
}

// From a point and, for a private key, its logarithm. Both are valid.
EvpKey make_key(const p256::UncompressedPoint& point, const BIGNUM* scalar) {
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  invariant(builder != nullptr);
  invariant(OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1);
  invariant(OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                             point.size()) == 1);
  if (scalar != nullptr)
    invariant(
        OSSL_PARAM_BLD_push_BN_pad(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar, p256::kScalarSize) == 1);
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EvpKey key;
  invariant(params != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
  const int selection = scalar == nullptr ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
  invariant(EVP_PKEY_fromdata(context.get(), out(key), selection, params.get()) == 1);
  return key;
}

// Rejects a key that spells out the curve's parameters instead of naming the curve, even if they are those of
// P-256 (RFC 5480 §2.1.1).
bool names_its_curve(const EVP_PKEY* key) {
  int spelled_out = 0;
  return EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelled_out) != 1 ||
         spelled_out == 0;
}

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 32> name{};
  return key != nullptr && EVP_PKEY_is_a(key, "EC") == 1 && names_its_curve(key) &&
         EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) == 1 &&
         std::string_view(name.data()) == "prime256v1";
}

Secret private_scalar(const EVP_PKEY* key) {
  BIGNUM* raw = nullptr;
  invariant(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &raw) == 1);
  const Number number(raw);
  Secret scalar(p256::kScalarSize);
  invariant(BN_bn2binpad(number.get(), scalar.fill().data(), p256::kScalarSize) == p256::kScalarSize);
  return scalar;
}

// Rejects encrypted keys, instead of asking for a password on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

// Gives OpenSSL a passphrase from a Secret. A passphrase longer than OpenSSL's buffer opens nothing.
int give_passphrase(char* into, int room, int, void* secret) {
  const ByteView passphrase = static_cast<const Secret*>(secret)->reveal();
  if (passphrase.size() > static_cast<std::size_t>(room)) return -1;
  std::copy(passphrase.begin(), passphrase.end(), into);
  return static_cast<int>(passphrase.size());
}

// Null if the text contains no private key, or `password` does not open it. Code::unavailable if a shortage
// prevented the check.
Result<EvpKey> read_pem(ByteView pem, pem_password_cb* password, void* data) {
  // OpenSSL accepts neither an empty buffer nor one whose size does not fit an int.
  if (pem.empty() || pem.size() > kMaxPem) return EvpKey();
  ERR_clear_error();
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  invariant(bio != nullptr);
  EvpKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, password, data));
  if (machine_failed() && key == nullptr)
    return Error(Code::unavailable, "cannot read a private key: no memory or descriptors left");
  return key;
}

EvpKey share(const EvpKey& key) {
  invariant(EVP_PKEY_up_ref(key.get()) == 1);
  return EvpKey(key.get());
}

}  // namespace

bool is_ecdsa_public_key(ByteView bytes) {
  const bool valid = bytes.size() == std::tuple_size_v<PublicKeyBytes> && p256::parse_point(bytes);
  if (!valid) ERR_clear_error();
  return valid;
}

Result<VerifyKey> VerifyKey::parse(ByteView compressed) {
  const auto point = p256::parse_point(compressed);
  if (compressed.size() != std::tuple_size_v<PublicKeyBytes> || !point) {
    ERR_clear_error();
    return Error(Code::malformed, "not a compressed P-256 point");
  }
  return VerifyKey(make_key(*point, nullptr), p256::compress(*point));
}

Result<VerifyKey> VerifyKey::from_evp(EVP_PKEY* key) {
  ByteArray<65> encoded;
  std::size_t size = 0;
  if (!is_p256(key) || EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, encoded.data(),
                                                       encoded.size(), &size) != 1) {
    ERR_clear_error();
    return Error(Code::malformed, "not a P-256 key");
  }
  const auto point = p256::parse_point(ByteView(encoded).first(size));
  if (!point) return Error(Code::malformed, "not a P-256 key");
  return VerifyKey(make_key(*point, nullptr), p256::compress(*point));
}

VerifyKey::VerifyKey(const VerifyKey& other) : key_(share(other.key_)), bytes_(other.bytes_) {}

VerifyKey& VerifyKey::operator=(const VerifyKey& other) {
  key_ = share(other.key_);
  bytes_ = other.bytes_;
  return *this;
}

bool VerifyKey::verify(const Digest& digest, ByteView signature) const {
  if (signature.size() != std::tuple_size_v<Signature> || !is_low(signature.subspan(32))) return false;
  const DerSignature pair(ECDSA_SIG_new());
  invariant(pair != nullptr);
  // OpenSSL checks 1 ≤ r, s < n.
  invariant(ECDSA_SIG_set0(pair.get(), BN_bin2bn(signature.data(), 32, nullptr),
                           BN_bin2bn(signature.data() + 32, 32, nullptr)) == 1);
  ByteArray<kMaxDerSignature> der;
  std::uint8_t* end = der.data();
  const int size = i2d_ECDSA_SIG(pair.get(), &end);
  const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  invariant(size > 0 && context != nullptr && EVP_PKEY_verify_init(context.get()) == 1);
  ERR_clear_error();
  const int holds = EVP_PKEY_verify(context.get(), der.data(), static_cast<std::size_t>(size), digest.data(),
                                    digest.size());
  if (holds == 1) return true;
  // A result below 0 is an error of the library, with one exception that the signer can cause: u1·G + u2·Q is
  // infinity. As everywhere here, a lack of resources ends the process.
  invariant(holds == 0 || ERR_GET_REASON(ERR_peek_last_error()) == EC_R_POINT_AT_INFINITY);
  ERR_clear_error();
  return false;
}

SigningKey SigningKey::generate(Random& random) {
  return *from_scalar(p256::random_scalar(random).reveal());
}

Result<SigningKey> SigningKey::from_scalar(ByteView scalar) {
  if (!p256::is_scalar(scalar)) return Error(Code::malformed, "not a P-256 private key");
  const Number number(BN_bin2bn(scalar.data(), p256::kScalarSize, nullptr));
  invariant(number != nullptr);
  const p256::UncompressedPoint point = p256::base_multiple(scalar);
  return SigningKey(make_key(point, number.get()), *VerifyKey::parse(p256::compress(point)));
}

Result<SigningKey> SigningKey::from_pem(ByteView pem) {
  const auto key = read_pem(pem, no_password, nullptr);
  if (!key) return key.error();
  if (!is_p256(key->get())) {
    ERR_clear_error();
    return Error(Code::malformed, "not an unencrypted P-256 private key in PEM");
  }
  return from_scalar(private_scalar(key->get()).reveal());
}

Result<SigningKey> SigningKey::from_encrypted_pem(ByteView pem, const Secret& passphrase) {
  if (!is_encrypted_pem(pem)) return Error(Code::malformed, "not an encrypted private key in PEM");
  // The callback only reads through this pointer.
  const auto key = read_pem(pem, give_passphrase, const_cast<Secret*>(&passphrase));
  if (!key) return key.error();
  if (*key == nullptr) return Error(Code::wrong_code, "the passphrase does not open it");
  if (!is_p256(key->get())) return Error(Code::malformed, "not a P-256 private key");
  return from_scalar(private_scalar(key->get()).reveal());
}

void SigningKey::prepare() {
  const SigningKey some = generate(system_random());
  static_cast<void>(from_pem(some.to_pem().reveal()));
  static_cast<void>(some.sign(Digest{}));
}

bool SigningKey::is_encrypted_pem(ByteView pem) {
  return text_of(pem).find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string_view::npos;
}

Signature SigningKey::sign(const Digest& digest) const {
  const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  ByteArray<kMaxDerSignature> der;
  std::size_t size = der.size();
  invariant(context != nullptr && EVP_PKEY_sign_init(context.get()) == 1);
  invariant(EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()) == 1);
  const std::uint8_t* in = der.data();
  const DerSignature pair(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(size)));
  Signature signature;
  invariant(pair != nullptr && BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), signature.data(), 32) == 32 &&
            BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), signature.data() + 32, 32) == 32);
  if (!is_low(ByteView(signature).subspan(32))) {
    const Number opposite(BN_new());
    invariant(opposite != nullptr &&
              BN_sub(opposite.get(), p256::order(), ECDSA_SIG_get0_s(pair.get())) == 1 &&
              BN_bn2binpad(opposite.get(), signature.data() + 32, 32) == 32);
  }
  return signature;
}

Secret SigningKey::scalar() const {
  return private_scalar(key_.get());
}

Secret SigningKey::to_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  invariant(bio != nullptr);
  invariant(PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  std::uint8_t* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret::copy_of({data, static_cast<std::size_t>(size)});
}

}  // namespace coprotect::protocol
