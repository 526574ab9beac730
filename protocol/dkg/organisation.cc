#include "protocol/dkg/organisation.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kMagic = "CPOC\x01";
constexpr std::size_t kMaxName = 64;

Error malformed_organisation(std::string_view what) {
  return {Code::malformed, "organisation certificate: " + std::string(what)};
}

Digest signed_digest(ByteView statement) {
  return tagged_hash("CPV1-ORGANISATION", {sha256(statement)});
}

}  // namespace

bool valid_organisation_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
}

PublicKeyBytes compressed_point(const HpkePublicKey& key) {
  PublicKeyBytes compressed{};
  compressed[0] = static_cast<std::uint8_t>(2 + (key.back() & 1));
  std::copy_n(key.begin() + 1, compressed.size() - 1, compressed.begin() + 1);
  return compressed;
}

Digest organisation_fingerprint(const PublicKeyBytes& organisation_key) {
  return sha256(organisation_key);
}

Result<OrganisationCertificate> OrganisationCertificate::issue(OrganisationKind kind, std::string name,
                                                               const SigningKey& organisation,
                                                               const VerifyKey& certified) {
  if (!valid_organisation_name(name))
    return malformed_organisation("a name is 1 to 64 printable ASCII characters");
  const PublicKeyBytes& organisation_key = organisation.public_key().bytes();
  Writer w;
  w.literal(kMagic).u8(static_cast<std::uint8_t>(kind)).lp(name).bytes(organisation_key);
  w.bytes(certified.bytes());
  w.bytes(organisation.sign(signed_digest(w.view())));
  return OrganisationCertificate(kind, std::move(name), organisation_key, certified.bytes(),
                                 std::move(w).take());
}

Result<OrganisationCertificate> OrganisationCertificate::issue_recovery(std::string name,
                                                                        const SigningKey& organisation,
                                                                        const HpkePublicKey& recovery_key) {
  const auto key = VerifyKey::parse(compressed_point(recovery_key));
  if (!is_hpke_public_key(recovery_key) || !key)
    return malformed_organisation("the recovery key is not a point on P-256");
  return issue(OrganisationKind::recovery, std::move(name), organisation, *key);
}

Result<OrganisationCertificate> OrganisationCertificate::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kMagic)) return malformed_organisation("not of version 1");
  const auto kind = r.u8();
  auto name = r.text();
  const auto organisation_key = r.array<33>();
  const auto certified_key = r.array<33>();
  const ByteView statement = encoded.first(encoded.size() - r.size());
  const auto signature = r.bytes(std::tuple_size_v<Signature>);
  if (!kind || !name || !organisation_key || !certified_key || !signature || !r.empty())
    return malformed_organisation("cut off, or something follows");
  if (*kind != static_cast<std::uint8_t>(OrganisationKind::agent) &&
      *kind != static_cast<std::uint8_t>(OrganisationKind::recovery))
    return malformed_organisation("unknown kind");
  if (!valid_organisation_name(*name))
    return malformed_organisation("a name is 1 to 64 printable ASCII characters");
  const auto organisation = VerifyKey::parse(*organisation_key);
  if (!organisation || !is_ecdsa_public_key(*certified_key))
    return malformed_organisation("a key is not a point on P-256");
  if (!organisation->verify(signed_digest(statement), *signature))
    return Error(Code::unauthenticated,
                 "organisation certificate: the organisation's signature does not hold");
  return OrganisationCertificate(static_cast<OrganisationKind>(*kind), *std::move(name), *organisation_key,
                                 *certified_key, Bytes(encoded.begin(), encoded.end()));
}

}  // namespace coprotect::protocol
