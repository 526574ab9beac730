#include "protocol/dkg/parameters.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "protocol/base/reader.h"
#include "protocol/base/text.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kParametersMagic = "CPR0\x01";
// Every agent of the key hands them to its front and its relay, with those of all other keys.
constexpr std::size_t kMaxAuthority = 2048;

Error malformed_parameters(std::string_view what) {
  return {Code::malformed, "parameters: " + std::string(what)};
}

bool self_signed(const Certificate& certificate) {
  return X509_verify(certificate.x509(), certificate.key().evp()) == 1;
}

// CA:TRUE, and keyCertSign if there is a key usage.
bool is_authority(const Certificate& certificate) {
  return X509_check_ca(certificate.x509()) == 1;
}

Status check_identity_certificate(const Party& party) {
  const auto& certificate = party.identity_certificate;
  if (!party.is_agent()) {
    if (certificate || !party.url.empty())
      return malformed_parameters("not an agent, but has a url or identity certificate");
    return Done{};
  }
  if (!certificate) return malformed_parameters("an agent without an identity certificate");
  if (!valid_uri(party.url)) return malformed_parameters("an agent without a proper url");
  if (certificate->der().size() > kMaxAuthority)
    return malformed_parameters("identity certificate is too long");
  if (certificate->key() != party.identity_key || !self_signed(*certificate)) {
    return malformed_parameters("identity certificate is not self-signed by the identity key");
  }
  if (!is_authority(*certificate))
    return malformed_parameters("identity certificate is not an authority's (CA:FALSE)");
  return Done{};
}

// An agent certified as a recovery party, or the reverse, would be counted wrongly.
Status check_organisation(const Party& party) {
  const OrganisationCertificate& organisation = party.organisation;
  const auto kind = party.is_agent() ? OrganisationKind::agent : OrganisationKind::recovery;
  if (organisation.kind() != kind)
    return malformed_parameters("organisation certificate is of the wrong kind");
  if (party.is_agent() && organisation.certified_key() != party.identity_key.bytes())
    return malformed_parameters("organisation certificate is for another identity key");
  return Done{};
}

Status check_party(const Party& party) {
  if (!valid_party_name(party.name)) return malformed_parameters("a party's name is not of a-z, 0-9 and -");
  const auto in_party = [&](Error error) { return std::move(error).in(party_label(party)); };
  if (party.indices.empty()) return in_party(malformed_parameters("no index"));
  if (std::adjacent_find(party.indices.begin(), party.indices.end(), std::greater_equal<>()) !=
      party.indices.end()) {
    return in_party(malformed_parameters("indices are not ascending"));
  }
  if (!is_hpke_public_key(party.ceremony_key))
    return in_party(malformed_parameters("ceremony key is not a point on P-256"));
  if (party.mode > KeeperMode::resident) return in_party(malformed_parameters("unknown mode"));
  if (auto checked = check_identity_certificate(party); !checked) return in_party(std::move(checked).error());
  if (auto checked = check_organisation(party); !checked) return in_party(std::move(checked).error());
  return Done{};
}

// Every index 1..n must belong to exactly one party.
Status check_indices(const Parameters::Fields& fields) {
  std::set<std::uint8_t> seen;
  for (const Party& party : fields.parties) {
    for (const std::uint8_t index : party.indices) {
      if (index == 0 || index > fields.n)
        return malformed_parameters("index " + std::to_string(index) + " is outside 1..n");
      if (!seen.insert(index).second)
        return malformed_parameters("index " + std::to_string(index) + " has two holders");
    }
  }
  if (seen.size() != fields.n) return malformed_parameters("an index has no holder");
  return Done{};
}

Status check_distinct(const std::vector<Party>& parties) {
  std::set<std::string> names;
  std::set<PublicKeyBytes> identity_keys;
  std::set<HpkePublicKey> ceremony_keys;
  for (const Party& party : parties) {
    if (!names.insert(party.name).second)
      return malformed_parameters("two parties named \"" + party.name + "\"");
    if (!identity_keys.insert(party.identity_key.bytes()).second)
      return malformed_parameters("two parties with one identity key");
    if (!ceremony_keys.insert(party.ceremony_key).second)
      return malformed_parameters("two parties with one ceremony key");
  }
  return Done{};
}

// The organisation certifies the recovery key, so that no other party can insert its own under the
// organisation's name.
Status check_recovery_key(const Parameters::Fields& fields) {
  for (const Party& party : fields.parties) {
    if (party.is_agent()) continue;
    if (party.organisation.certified_key() != compressed_point(*fields.recovery_key))
      return malformed_parameters("organisation certificate is for another recovery key")
          .in(party_label(party));
  }
  return Done{};
}

Status check(const Parameters::Fields& fields) {
  if (fields.purpose != Purpose::envelope && fields.purpose != Purpose::derive)
    return malformed_parameters("unknown purpose");
  if (fields.t < 1 || fields.t > fields.n || fields.n > kMaxShares) {
    return malformed_parameters("threshold " + std::to_string(fields.t) + " of " + std::to_string(fields.n));
  }
  if (!valid_tenant(fields.tenant)) return malformed_parameters("tenant is not 1 to 64 of a-z, 0-9 and -");
  if (fields.parties.empty() || fields.parties.size() > kMaxShares)
    return malformed_parameters("not 1 to 16 parties");
  for (const Party& party : fields.parties) {
    if (auto checked = check_party(party); !checked) return checked;
  }
  if (auto checked = check_indices(fields); !checked) return checked;
  if (auto checked = check_distinct(fields.parties); !checked) return checked;
  if (fields.client_ca.der().size() > kMaxAuthority)
    return malformed_parameters("client CA certificate is too long");
  if (!self_signed(fields.client_ca)) {
    return malformed_parameters("client CA certificate is not self-signed");
  }
  if (!is_authority(fields.client_ca))
    return malformed_parameters("client CA certificate is not an authority's (CA:FALSE)");
  if (fields.recovery_key && !is_hpke_public_key(*fields.recovery_key)) {
    return malformed_parameters("recovery key is not a point on P-256");
  }
  bool recovery_party = false;
  for (const Party& party : fields.parties) {
    if (party.is_agent()) continue;
    if (std::exchange(recovery_party, true))
      return malformed_parameters("more than one party is not an agent");
    if (party.indices.size() != 1)
      return malformed_parameters(party_label(party) + " holds more than one recovery share");
    if (fields.recovery_key != party.ceremony_key)
      return malformed_parameters(party_label(party) + ": its ceremony key is not the recovery key");
  }
  // No party would deal to it, and a handover that adds a recovery party would call its code a new one.
  if (fields.recovery_key && !recovery_party)
    return malformed_parameters("a recovery key without a recovery party");
  return check_recovery_key(fields);
}

Bytes encode(const Parameters::Fields& fields) {
  Writer w;
  w.literal(kParametersMagic)
      .u16(static_cast<std::uint16_t>(fields.suite))
      .u8(static_cast<std::uint8_t>(fields.purpose));
  w.u8(fields.t).u8(fields.n).lp(fields.tenant).u8(static_cast<std::uint8_t>(fields.parties.size()));
  for (const Party& party : fields.parties) {
    w.lp(party.name)
        .u8(static_cast<std::uint8_t>(party.indices.size()))
        .bytes(party.indices)
        .bytes(party.nonce);
    w.bytes(party.identity_key.bytes()).bytes(party.ceremony_key).u8(static_cast<std::uint8_t>(party.mode));
    w.lp(party.url);
    w.lp(party.identity_certificate ? ByteView(party.identity_certificate->der()) : ByteView());
    w.lp(party.organisation.encoded());
  }
  w.lp(fields.client_ca.der()).lp(fields.recovery_key ? ByteView(*fields.recovery_key) : ByteView());
  return std::move(w).take();
}

Result<Party> read_party(Reader& r) {
  auto name = r.text();
  const auto index_count = r.u8();
  const auto indices = r.bytes(index_count.value_or(0));
  const auto nonce = r.array<32>();
  const auto identity_key = r.array<33>();
  const auto ceremony_key = r.array<65>();
  const auto mode = r.u8();
  auto url = r.text();
  const auto certificate_der = r.lp();
  const auto organisation_bytes = r.lp();
  if (!name || !indices || !nonce || !identity_key || !ceremony_key || !mode || !url || !certificate_der ||
      !organisation_bytes) {
    return malformed_parameters("cut off in a party");
  }
  auto key = VerifyKey::parse(*identity_key);
  if (!key) return malformed_parameters("an identity key is not a point on P-256");
  std::optional<Certificate> certificate;
  if (!certificate_der->empty()) {
    auto parsed = Certificate::parse_der(*certificate_der);
    if (!parsed) return std::move(parsed).error().in("parameters: identity certificate");
    certificate = *std::move(parsed);
  }
  auto organisation = OrganisationCertificate::parse(*organisation_bytes);
  if (!organisation) return std::move(organisation).error().in("parameters");
  return Party{
      .name = *std::move(name),
      .indices = Bytes(indices->begin(), indices->end()),
      .nonce = *nonce,
      .identity_key = *std::move(key),
      .ceremony_key = *ceremony_key,
      .mode = static_cast<KeeperMode>(*mode),  // make() rejects unknown values
      .url = *std::move(url),
      .identity_certificate = std::move(certificate),
      .organisation = *std::move(organisation),
  };
}

Result<std::optional<HpkePublicKey>> read_recovery_key(ByteView bytes) {
  if (bytes.empty()) return std::optional<HpkePublicKey>();
  const auto key = Reader(bytes).array<65>();
  if (!key || bytes.size() != key->size()) return malformed_parameters("recovery key has a wrong size");
  return key;
}

}  // namespace

std::string party_label(const Party& party) {
  return "party \"" + party.name + "\"";
}

Result<Parameters> Parameters::make(Fields fields) {
  if (auto checked = check(fields); !checked) return std::move(checked).error();
  Bytes encoded = encode(fields);
  const Sid sid = tagged_hash("CPV1-SID", {sha256(encoded)});
  return Parameters(std::move(fields), std::move(encoded), sid);
}

Result<Parameters> Parameters::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kParametersMagic)) return malformed_parameters("not of version 1");
  const auto suite_id = r.u16();
  const auto purpose = r.u8();
  const auto t = r.u8();
  const auto n = r.u8();
  auto tenant = r.text();
  const auto party_count = r.u8();
  if (!suite_id || !purpose || !t || !n || !tenant || !party_count) return malformed_parameters("cut off");
  const auto suite = parse_suite(*suite_id);
  if (!suite) return malformed_parameters(suite.error().message());

  std::vector<Party> parties;
  for (std::size_t i = 0; i < *party_count; ++i) {
    auto party = read_party(r);
    if (!party) return std::move(party).error();
    parties.push_back(*std::move(party));
  }
  const auto client_ca_der = r.lp();
  const auto recovery_key_bytes = r.lp();
  if (!client_ca_der || !recovery_key_bytes || !r.empty())
    return malformed_parameters("cut off, or something follows");
  auto client_ca = Certificate::parse_der(*client_ca_der);
  if (!client_ca) return std::move(client_ca).error().in("parameters: client CA certificate");
  auto recovery_key = read_recovery_key(*recovery_key_bytes);
  if (!recovery_key) return std::move(recovery_key).error();

  auto made = make({
      .suite = *suite,
      .purpose = static_cast<Purpose>(*purpose),  // make() rejects unknown values
      .t = *t,
      .n = *n,
      .tenant = *std::move(tenant),
      .parties = std::move(parties),
      .client_ca = *std::move(client_ca),
      .recovery_key = *recovery_key,
  });
  // All parties hash the same bytes, so only make()'s encoding is accepted.
  if (made && !std::ranges::equal(made->encoded(), encoded))
    return malformed_parameters("not in canonical form");
  return made;
}

std::size_t Parameters::holder_of(std::uint8_t index) const {
  const auto holder = std::ranges::find_if(fields_.parties, [index](const Party& party) {
    return std::ranges::find(party.indices, index) != party.indices.end();
  });
  invariant(holder != fields_.parties.end());
  return static_cast<std::size_t>(holder - fields_.parties.begin());
}

std::optional<std::size_t> Parameters::position_of(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.parties.size(); ++i) {
    if (fields_.parties[i].name == name) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> Parameters::position_of(const VerifyKey& identity_key) const {
  for (std::size_t i = 0; i < fields_.parties.size(); ++i) {
    if (fields_.parties[i].identity_key == identity_key) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> Parameters::recovery_party() const {
  for (std::size_t i = 0; i < fields_.parties.size(); ++i)
    if (!fields_.parties[i].is_agent()) return i;
  return std::nullopt;
}

const VerifyKey* Parameters::recovery_administrator() const {
  const auto position = recovery_party();
  return position ? &fields_.parties[*position].identity_key : nullptr;
}

}  // namespace coprotect::protocol
