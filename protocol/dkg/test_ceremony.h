#pragma once

#include <map>
#include <string>
#include <vector>

#include "protocol/base/test_must.h"
#include "protocol/bundle/bundle.h"
#include "protocol/dkg/dealer.h"
#include "protocol/x509/issue.h"

namespace coprotect::protocol::test {

constexpr std::int64_t kNow = 1'800'000'000'000;  // milliseconds, in 2027
constexpr std::int64_t kDay = 24ll * 3600 * 1000;

inline Certificate make_certificate(const std::string& name, CertificateUse use, const SigningKey& subject,
                                    const Certificate* issuer, const SigningKey& issuer_key,
                                    std::vector<std::string> uris = {}, std::int64_t now_ms = kNow) {
  return must(issue_certificate({.common_name = name,
                                 .use = use,
                                 .uris = std::move(uris),
                                 .hosts = {},
                                 .not_before_ms = now_ms - kDay,
                                 .not_after_ms = now_ms + kDay},
                                subject.public_key(), issuer, issuer_key, system_random()));
}
inline Certificate make_authority(const std::string& name, const SigningKey& key,
                                  std::int64_t now_ms = kNow) {
  return make_certificate(name, CertificateUse::authority, key, nullptr, key, {}, now_ms);
}

// The parties, with their indices.
struct Layout {
  std::uint8_t t;
  std::vector<std::pair<std::string, std::vector<std::uint8_t>>> parties;
  Purpose purpose = Purpose::envelope;
  // For agents that a test connects to: their addresses, and the time.
  std::map<std::string, std::string> urls = {};
  std::int64_t now_ms = kNow;
  // Each party's organisation, by the organisation's name. All others belong to the company, except "cloud"
  // and "cloud-…", which belong to "provider".
  std::map<std::string, std::string> organisations = {};
  std::string organisation_of(const std::string& name) const {
    const auto organisation = organisations.find(name);
    if (organisation != organisations.end()) return organisation->second;
    return name.starts_with("cloud") ? "provider" : "company";
  }
  std::string url_of(const std::string& name) const {
    const auto url = urls.find(name);
    return url == urls.end() ? "https://" + name + ".example:8443" : url->second;
  }
};
inline Layout default_layout() {
  return {2, {{"cloud", {1}}, {"company", {2}}, {"recovery", {3}}}};
}

// Organisations by name, each with its key. The company's key is the client CA's.
using Organisations = std::map<std::string, SigningKey>;
inline const SigningKey& organisation_key(Organisations& organisations, const std::string& name) {
  auto known = organisations.find(name);
  if (known == organisations.end())
    known = organisations.emplace(name, SigningKey::generate(system_random())).first;
  return known->second;
}
inline OrganisationCertificate certify(Organisations& organisations, const std::string& organisation,
                                       const VerifyKey& agent) {
  return must(OrganisationCertificate::issue(OrganisationKind::agent, organisation,
                                             organisation_key(organisations, organisation), agent));
}
inline OrganisationCertificate certify(Organisations& organisations, const std::string& organisation,
                                       const HpkePublicKey& recovery_key) {
  return must(OrganisationCertificate::issue_recovery(
      organisation, organisation_key(organisations, organisation), recovery_key));
}

// A key generation with all its parties in one place. `recovery` is not an agent; every other party is.
class TestCeremony {
 public:
  explicit TestCeremony(SuiteId suite, const Layout& layout = default_layout())
      : client_ca_key(SigningKey::generate(system_random())), parameters(make(suite, layout, nullptr)) {}
  // Another key of the same company. Parties of the first key keep their identity.
  TestCeremony(const TestCeremony& first, const Layout& layout)
      : client_ca_key(copy(first.client_ca_key)), parameters(make(first.parameters->suite, layout, &first)) {}

  Dealer dealer(std::size_t self) const {
    return must(Dealer::start(parameters, self, identity_keys[self],
                              must(HpkePrivateKey::from_scalar(ceremony_keys[self].scalar().reveal())),
                              system_random()));
  }

  struct Run {
    std::vector<Dealer::Outcome> outcomes;  // by party
    std::vector<Bytes> confirms;
    std::map<std::uint8_t, Scalar> shares;  // of all parties
    Bundle bundle;
  };
  // Every party follows the protocol.
  Run run() const {
    std::vector<Dealer> dealers;
    for (std::size_t i = 0; i < identity_keys.size(); ++i) dealers.push_back(dealer(i));
    std::vector<Bytes> commits;
    std::vector<Bytes> reveals;
    std::vector<Bytes> deals;
    std::vector<Bytes> confirms;
    std::vector<Dealer::Outcome> outcomes;
    std::map<std::uint8_t, Scalar> shares;
    for (Dealer& d : dealers) commits.push_back(d.commit());
    for (Dealer& d : dealers) reveals.push_back(must(d.reveal(commits)));
    for (Dealer& d : dealers) deals.push_back(must(d.deal(reveals)));
    for (Dealer& d : dealers) outcomes.push_back(must(d.receive(deals)));
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      confirms.push_back(confirm(outcomes[i].transcript, i, identity_keys[i]));
      for (const auto& [index, share] : outcomes[i].shares) shares.emplace(index, share.clone());
    }
    Bundle bundle = must(Bundle::assemble(outcomes.front().transcript, confirms));
    // The recovery party's share, from the parts at any agent.
    for (const Dealer::Outcome& outcome : outcomes) {
      if (!outcome.parts) continue;
      shares.emplace(outcome.parts->index(),
                     must(outcome.parts->open(recovery_private_key, bundle.sharing())));
      break;
    }
    return {.outcomes = std::move(outcomes),
            .confirms = std::move(confirms),
            .shares = std::move(shares),
            .bundle = std::move(bundle)};
  }

  SigningKey client_ca_key;
  Organisations organisations = company_alone();
  HpkePrivateKey recovery_private_key = HpkePrivateKey::generate(system_random());
  std::vector<SigningKey> identity_keys;
  std::vector<HpkePrivateKey> ceremony_keys;
  Parameters parameters;

 private:
  static SigningKey copy(const SigningKey& key) {
    return must(SigningKey::from_scalar(key.scalar().reveal()));
  }
  Organisations company_alone() const {
    Organisations organisations_of_company;
    organisations_of_company.emplace("company", copy(client_ca_key));
    return organisations_of_company;
  }
  Parameters make(SuiteId suite, const Layout& layout, const TestCeremony* first) {
    if (first != nullptr)
      for (const auto& [name, key] : first->organisations) organisations.emplace(name, copy(key));
    std::vector<Party> parties;
    std::optional<HpkePublicKey> recovery_key;
    std::uint8_t n = 0;
    for (const auto& [name, indices] : layout.parties) {
      const auto known = first != nullptr ? first->parameters.position_of(name) : std::nullopt;
      const SigningKey& identity = identity_keys.emplace_back(known ? copy(first->identity_keys[*known])
                                                                    : SigningKey::generate(system_random()));
      const bool agent = name != "recovery";
      if (!agent) recovery_key = recovery_private_key.public_key();
      const auto& ceremony = ceremony_keys.emplace_back(
          agent ? HpkePrivateKey::generate(system_random())
                : must(HpkePrivateKey::from_scalar(recovery_private_key.scalar().reveal())));
      Party party{
          .name = name,
          .indices = indices,
          .nonce = {},
          .identity_key = identity.public_key(),
          .ceremony_key = ceremony.public_key(),
          .mode = agent ? KeeperMode::sealed : KeeperMode::not_an_agent,
          .url = agent ? layout.url_of(name) : "",
          .identity_certificate = std::nullopt,
          .organisation = agent ? certify(organisations, layout.organisation_of(name), identity.public_key())
                                : certify(organisations, layout.organisation_of(name),
                                          recovery_private_key.public_key())};
      system_random().fill(party.nonce);
      if (agent) party.identity_certificate = make_authority(name, identity, layout.now_ms);
      parties.push_back(std::move(party));
      n = static_cast<std::uint8_t>(n + indices.size());
    }
    return must(Parameters::make(
        {.suite = suite,
         .purpose = layout.purpose,
         .t = layout.t,
         .n = n,
         .tenant = "acme",
         .parties = std::move(parties),
         .client_ca = first != nullptr ? first->parameters->client_ca
                                       : make_authority("acme client CA", client_ca_key, layout.now_ms),
         .recovery_key = std::move(recovery_key)}));
  }
};

}  // namespace coprotect::protocol::test
