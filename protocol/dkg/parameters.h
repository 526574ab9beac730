#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/crypto/ecdsa.h"
#include "protocol/crypto/hpke.h"
#include "protocol/dkg/organisation.h"
#include "protocol/file/header.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

enum class Purpose : std::uint8_t { envelope = 1, derive = 2 };
enum class KeeperMode : std::uint8_t { not_an_agent = 0, sealed = 1, resident = 2 };
using Sid = Digest;

struct Party {
  std::string name;
  std::vector<std::uint8_t> indices;  // ascending
  ByteArray<32> nonce;
  VerifyKey identity_key;
  HpkePublicKey ceremony_key;
  KeeperMode mode;
  std::string url;                                  // empty if not an agent
  std::optional<Certificate> identity_certificate;  // present if and only if an agent
  OrganisationCertificate organisation;             // whose agent, or whose recovery code, this is
  bool is_agent() const { return mode != KeeperMode::not_an_agent; }
};
// How errors name a party: `party "cloud"`.
std::string party_label(const Party& party);

// R0 of SPEC.md §5.1: what all parties of a key generation agreed on before it. Valid if it exists.
class Parameters {
 public:
  struct Fields {
    SuiteId suite;
    Purpose purpose;
    std::uint8_t t;
    std::uint8_t n;
    std::string tenant;
    std::vector<Party> parties;
    Certificate client_ca;
    std::optional<HpkePublicKey> recovery_key;
  };
  static Result<Parameters> make(Fields fields);
  static Result<Parameters> parse(ByteView encoded);

  const Fields& fields() const { return fields_; }
  const Fields* operator->() const { return &fields_; }
  const Group& group() const { return group_of(fields_.suite); }
  const Bytes& encoded() const { return encoded_; }
  const Sid& sid() const { return sid_; }
  // Position of the party that holds an index, or has a name / an identity key.
  std::size_t holder_of(std::uint8_t index) const;
  std::optional<std::size_t> position_of(std::string_view name) const;
  std::optional<std::size_t> position_of(const VerifyKey& identity_key) const;
  // The position of the party that is not an agent: whoever opens the recovery blob. Its ceremony key is the
  // recovery key, and it holds one index.
  std::optional<std::size_t> recovery_party() const;
  // The key of the recovery administrator's certificate, which is the recovery party's identity key
  // (SPEC.md §5.1). Null without a recovery party: then the key has no recovery administrator.
  const VerifyKey* recovery_administrator() const;

 private:
  Parameters(Fields fields, Bytes encoded, const Sid& sid)
      : fields_(std::move(fields)), encoded_(std::move(encoded)), sid_(sid) {}
  Fields fields_;
  Bytes encoded_;
  Sid sid_;
};

}  // namespace coprotect::protocol
