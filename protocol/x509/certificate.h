#pragma once

#include <openssl/x509.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"
#include "protocol/base/result.h"
#include "protocol/crypto/ecdsa.h"
#include "protocol/file/policy.h"

namespace coprotect::protocol {

// An X.509 certificate with a P-256 key.
class Certificate {
 public:
  static constexpr std::size_t kMaxDer = std::size_t{16} << 10;  // bytes

  static Result<Certificate> parse_der(ByteView der);
  static Result<Certificate> parse_pem(ByteView pem);

  const Bytes& der() const { return der_; }
  std::string pem() const;
  const VerifyKey& key() const { return key_; }
  // SHA-256 of the SubjectPublicKeyInfo. Client lists contain it.
  const Digest& key_hash() const { return key_hash_; }
  std::vector<std::string> uris() const;  // URI subject alternative names
  std::int64_t not_before_ms() const;
  std::int64_t not_after_ms() const;
  X509* x509() const { return x509_.get(); }

  Certificate(const Certificate& other);
  Certificate& operator=(const Certificate& other);
  Certificate(Certificate&&) noexcept = default;
  Certificate& operator=(Certificate&&) noexcept = default;

 private:
  Certificate(Owned<X509, X509_free> x509, Bytes der, VerifyKey key, const Digest& key_hash)
      : x509_(std::move(x509)), der_(std::move(der)), key_(std::move(key)), key_hash_(key_hash) {}
  Owned<X509, X509_free> x509_;
  Bytes der_;
  VerifyKey key_;
  Digest key_hash_;
};

// Certificate::key_hash() of every certificate for this key. It is unique because the key has one encoding.
Digest key_hash_of(const VerifyKey& key);

enum class Role { user, admin, recovery };

// The identity that a client certificate gives its holder (SPEC.md §7.1).
struct ClientIdentity {
  std::string tenant;
  Role role;
  std::string uri;
  std::vector<std::string> groups;  // full URIs
  Subject subject() const { return {uri, groups}; }
};
// Code::unauthenticated unless there is exactly one identity SAN, all others are groups, and all are of one
// tenant.
Result<ClientIdentity> client_identity(const Certificate& certificate);

// Whether the holder of the client CA's key identifies itself with this certificate (SPEC.md §7.4). Such a
// certificate has role admin and is valid for at most two hours, so it was signed recently.
bool is_of_session(const ClientIdentity& identity, const Certificate& certificate);

// Whether the text is `coprotect:<tenant>:<role>:<name>` for this tenant.
bool is_client_uri(std::string_view text, std::string_view tenant);

// Verifies the chain (signer's certificate first) to this CA only, at this time, for clientAuth, with at most
// one intermediate per further entry. Otherwise Code::unauthenticated with OpenSSL's reason.
Status verify_client_chain(std::span<const Certificate> chain, const Certificate& ca, std::int64_t now_ms);

bool valid_tenant(std::string_view tenant);      // [a-z0-9-]{1,64}
bool valid_party_name(std::string_view name);    // [a-z0-9-]{1,32}
bool valid_subject_name(std::string_view name);  // [A-Za-z0-9._@-]{1,64}

}  // namespace coprotect::protocol
