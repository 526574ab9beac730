#include "protocol/x509/issue.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

using Cert = Owned<X509, X509_free>;
using BasicConstraints = Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using BitString = Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using OctetString = Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using Integer = Owned<ASN1_INTEGER, ASN1_INTEGER_free>;
using Number = Owned<BIGNUM, BN_free>;
using AuthorityKeyId = Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using KeyUsages = Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;
using GeneralNames = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

// Bits of keyUsage (RFC 5280 §4.2.1.3).
constexpr int kDigitalSignature = 0;
constexpr int kKeyCertSign = 5;
// The end of the year 9999. X.509 has no later times.
constexpr std::int64_t kLastTimeMs = 253'402'300'799'000;

void add_extension(X509* x509, int nid, void* value, bool critical) {
  invariant(value != nullptr && X509_add1_ext_i2d(x509, nid, value, critical, X509V3_ADD_APPEND) == 1);
}

void add_usage(X509* x509, CertificateUse use) {
  const bool authority = use == CertificateUse::authority;
  const BasicConstraints constraints(BASIC_CONSTRAINTS_new());
  invariant(constraints != nullptr);
  if (authority) {
    constraints->ca = 0xff;
    constraints->pathlen = ASN1_INTEGER_new();
    invariant(constraints->pathlen != nullptr && ASN1_INTEGER_set(constraints->pathlen, 0) == 1);
  }
  add_extension(x509, NID_basic_constraints, constraints.get(), true);

  const BitString bits(ASN1_BIT_STRING_new());
  invariant(bits != nullptr &&
            ASN1_BIT_STRING_set_bit(bits.get(), authority ? kKeyCertSign : kDigitalSignature, 1) == 1);
  add_extension(x509, NID_key_usage, bits.get(), true);

  if (authority) return;
  const KeyUsages usages(EXTENDED_KEY_USAGE_new());
  invariant(usages != nullptr);
  if (use != CertificateUse::client)
    invariant(sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(NID_server_auth)) > 0);
  if (use != CertificateUse::server)
    invariant(sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(NID_client_auth)) > 0);
  add_extension(x509, NID_ext_key_usage, usages.get(), false);
}

// RFC 7093 §2, method 1: the first 160 bits of SHA-256 of the key's bits.
void add_key_ids(X509* x509, const X509* issuer) {
  const ASN1_BIT_STRING* const key = X509_get0_pubkey_bitstr(x509);
  const Digest hash = sha256({key->data, static_cast<std::size_t>(key->length)});
  const OctetString id(ASN1_OCTET_STRING_new());
  invariant(id != nullptr && ASN1_OCTET_STRING_set(id.get(), hash.data(), 20) == 1);
  add_extension(x509, NID_subject_key_identifier, id.get(), false);

  const ASN1_OCTET_STRING* const issuer_id =
      issuer == nullptr ? id.get() : X509_get0_subject_key_id(const_cast<X509*>(issuer));
  if (issuer_id == nullptr) return;
  const AuthorityKeyId authority(AUTHORITY_KEYID_new());
  invariant(authority != nullptr);
  authority->keyid = ASN1_OCTET_STRING_dup(issuer_id);
  add_extension(x509, NID_authority_key_identifier, authority.get(), false);
}

bool is_uri(std::string_view text) {
  return !text.empty() && text.size() <= 255 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

bool is_dns_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

void push_name(const GeneralNames& names, int type, ASN1_STRING* value) {
  GENERAL_NAME* const name = GENERAL_NAME_new();
  invariant(name != nullptr && value != nullptr);
  GENERAL_NAME_set0_value(name, type, value);
  invariant(sk_GENERAL_NAME_push(names.get(), name) > 0);
}

ASN1_STRING* ia5(std::string_view text) {
  ASN1_STRING* const value = ASN1_IA5STRING_new();
  invariant(value != nullptr && ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) == 1);
  return value;
}

Status add_names(X509* x509, const CertificateRequest& request) {
  if (request.uris.empty() && request.hosts.empty()) return Done{};
  const GeneralNames names(GENERAL_NAMES_new());
  invariant(names != nullptr);
  for (const std::string& uri : request.uris) {
    if (!is_uri(uri)) return Error(Code::malformed, "not a URI for a certificate: \"" + uri + "\"");
    push_name(names, GEN_URI, ia5(uri));
  }
  for (const std::string& host : request.hosts) {
    if (ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str()); address != nullptr) {
      push_name(names, GEN_IPADD, address);
    } else if (is_dns_name(host)) {
      push_name(names, GEN_DNS, ia5(host));
    } else {
      return Error(Code::malformed, "neither a DNS name nor an IP address: \"" + host + "\"");
    }
  }
  add_extension(x509, NID_subject_alt_name, names.get(), false);
  return Done{};
}

void set_serial(X509* x509, Random& random) {
  ByteArray<16> serial;
  random.fill(serial);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3f) | 0x40);  // positive, with a fixed length
  const Number number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  const Integer integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
  invariant(integer != nullptr && X509_set_serialNumber(x509, integer.get()) == 1);
}

Status set_names(X509* x509, const std::string& common_name, const Certificate* issuer) {
  const bool plain = std::all_of(common_name.begin(), common_name.end(),
                                 [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
  X509_NAME* const subject = X509_get_subject_name(x509);
  // OpenSSL rejects names that are not UTF-8 or are longer than 64 characters.
  if (common_name.empty() || !plain ||
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                 const_cast<std::uint8_t*>(bytes_of(common_name).data()),
                                 static_cast<int>(common_name.size()), -1, 0) != 1) {
    ERR_clear_error();
    return Error(Code::malformed, "not a common name of 1 to 64 characters");
  }
  const X509_NAME* const name = issuer == nullptr ? subject : X509_get_subject_name(issuer->x509());
  invariant(X509_set_issuer_name(x509, name) == 1);
  return Done{};
}

Status set_times(X509* x509, const CertificateRequest& request) {
  if (request.not_before_ms < 0 || request.not_after_ms < request.not_before_ms ||
      request.not_after_ms > kLastTimeMs)
    return Error(Code::malformed, "not a time for a certificate");
  invariant(ASN1_TIME_set(X509_getm_notBefore(x509), request.not_before_ms / 1000) != nullptr &&
            ASN1_TIME_set(X509_getm_notAfter(x509), request.not_after_ms / 1000) != nullptr);
  return Done{};
}

}  // namespace

Result<Certificate> issue_certificate(const CertificateRequest& request, const VerifyKey& subject,
                                      const Certificate* issuer, const SigningKey& issuer_key,
                                      Random& random) {
  if (!(issuer_key.public_key() == (issuer == nullptr ? subject : issuer->key())))
    return Error(Code::malformed, "the signing key is not the issuer's");
  const Cert x509(X509_new());
  invariant(x509 != nullptr && X509_set_version(x509.get(), X509_VERSION_3) == 1);
  set_serial(x509.get(), random);
  if (auto named = set_names(x509.get(), request.common_name, issuer); !named)
    return std::move(named).error();
  if (auto timed = set_times(x509.get(), request); !timed) return std::move(timed).error();
  invariant(X509_set_pubkey(x509.get(), subject.evp()) == 1);
  add_usage(x509.get(), request.use);
  add_key_ids(x509.get(), issuer == nullptr ? nullptr : issuer->x509());
  if (auto added = add_names(x509.get(), request); !added) return std::move(added).error();
  invariant(X509_sign(x509.get(), issuer_key.evp(), EVP_sha256()) > 0);

  std::uint8_t* der = nullptr;
  const int size = i2d_X509(x509.get(), &der);
  invariant(size > 0);
  auto certificate = Certificate::parse_der({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return certificate;
}

}  // namespace coprotect::protocol
