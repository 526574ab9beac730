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
  OrganisationCertificate organisation;  // the organisation that runs the agent or keeps the recovery code
  bool is_agent() const { return mode != KeeperMode::not_an_agent; }
};
// The party's name as errors print it: `party "cloud"`.
std::string party_label(const Party& party);

// R0 of SPEC.md §5.1: what all parties agreed on before a key generation. An object exists only if it is
// valid.
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
  // The position of the party with this index, name or identity key.
  std::size_t holder_of(std::uint8_t index) const;
  std::optional<std::size_t> position_of(std::string_view name) const;
  std::optional<std::size_t> position_of(const VerifyKey& identity_key) const;
  // The position of the party that is not an agent: the one that opens the recovery blob. Its ceremony key is
  // the recovery key. It holds one index.
  std::optional<std::size_t> recovery_party() const;
  // The key in the recovery administrator's certificate, which is the recovery party's identity key (SPEC.md
  // §5.1). Null if there is no recovery party, and so no recovery administrator.
  const VerifyKey* recovery_administrator() const;

 private:
  Parameters(Fields fields, Bytes encoded, const Sid& sid)
      : fields_(std::move(fields)), encoded_(std::move(encoded)), sid_(sid) {}
  Fields fields_;
  Bytes encoded_;
  Sid sid_;
};

}  // namespace coprotect::protocol
