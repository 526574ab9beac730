#pragma once

#include <gtest/gtest.h>

#include "protocol/bundle/bundle.h"
#include "protocol/dkg/dealer.h"
#include "protocol/recovery/kit.h"
#include "protocol/x509/issue.h"
#include "provisioning/clock.h"

namespace coprotect::provisioning {

// A tenant for tests: client CA, agents' identities, and a key made by three dealers in this process.
struct TestTenant {
  struct Issuer {
    protocol::SigningKey key;
    protocol::Certificate certificate;
  };
  static Issuer authority(const std::string& name) {
    auto key = protocol::SigningKey::generate(system_random());
    auto certificate = *issue_certificate({.common_name = name,
                                           .use = protocol::CertificateUse::authority,
                                           .uris = {},
                                           .hosts = {},
                                           .not_before_ms = now_ms() - kDayMs,
                                           .not_after_ms = now_ms() + 100 * kDayMs},
                                          key.public_key(), nullptr, key, system_random());
    return {std::move(key), std::move(certificate)};
  }

  Issuer ca = authority("acme clients");
  Issuer cloud = authority("cloud agent");
  Issuer company = authority("company agent");
  protocol::SigningKey tool = protocol::SigningKey::generate(system_random());
  protocol::HpkePrivateKey recovery = protocol::HpkePrivateKey::generate(system_random());
  Bytes recovery_parts;  // as agents keep them
  protocol::Scalar recovery_share() const {
    const auto parts = protocol::RecoveryParts::parse(bundle.group(), recovery_parts);
    return *parts->open(recovery, bundle.sharing());
  }
  protocol::Bundle bundle = make_key();

  protocol::Certificate client(const std::vector<std::string>& uris, const protocol::VerifyKey& key) const {
    return *issue_certificate({.common_name = "client",
                               .use = protocol::CertificateUse::client,
                               .uris = uris,
                               .hosts = {},
                               .not_before_ms = now_ms() - kDayMs,
                               .not_after_ms = now_ms() + kDayMs},
                              key, &ca.certificate, ca.key, system_random());
  }

  // A blob with the lowest allowed cost, and the kit made with it.
  protocol::RecoveryKit kit() const {
    const Secret input = Secret::copy_of(bytes_of("the input"));
    auto blob = protocol::RecoveryBlob::seal_with({8, 1, 1}, {}, {}, input, bundle.key_id(),
                                                  bundle.group().suite(), recovery);
    const auto key = protocol::SigningKey::generate(system_random());
    return protocol::RecoveryKit::seal(bundle.encoded(), blob->first,
                                       client({"coprotect:acme:recovery:recovery"}, key.public_key()).der(),
                                       key, nullptr, blob->second, system_random());
  }

 private:
  protocol::Bundle make_key() {
    std::vector<protocol::HpkePrivateKey> ceremony_keys;
    for (int i = 0; i < 2; ++i) ceremony_keys.push_back(protocol::HpkePrivateKey::generate(system_random()));
    ceremony_keys.push_back(*protocol::HpkePrivateKey::from_scalar(recovery.scalar().reveal()));
    const auto agent = [&](const std::string& name, std::uint8_t index, const Issuer& identity) {
      return protocol::Party{.name = name,
                             .indices = {index},
                             .nonce = {index},
                             .identity_key = identity.key.public_key(),
                             .ceremony_key = ceremony_keys[index - 1u].public_key(),
                             .mode = protocol::KeeperMode::sealed,
                             .url = "https://" + name + ".example:8443",
                             .identity_certificate = identity.certificate,
                             .organisation = *protocol::OrganisationCertificate::issue(
                                 protocol::OrganisationKind::agent, name,
                                 name == "cloud" ? identity.key : ca.key, identity.key.public_key())};
    };
    const protocol::Party recovery_party{.name = "recovery",
                                         .indices = {3},
                                         .nonce = {3},
                                         .identity_key = tool.public_key(),
                                         .ceremony_key = recovery.public_key(),
                                         .mode = protocol::KeeperMode::not_an_agent,
                                         .url = {},
                                         .identity_certificate = std::nullopt,
                                         .organisation = *protocol::OrganisationCertificate::issue_recovery(
                                             "acme", ca.key, recovery.public_key())};
    auto parameters = protocol::Parameters::make(
        {.suite = protocol::SuiteId::p256,
         .purpose = protocol::Purpose::envelope,
         .t = 2,
         .n = 3,
         .tenant = "acme",
         .parties = {agent("cloud", 1, cloud), agent("company", 2, company), recovery_party},
         .client_ca = ca.certificate,
         .recovery_key = recovery.public_key()});
    const std::array<const protocol::SigningKey*, 3> identities = {&cloud.key, &company.key, &tool};
    std::vector<protocol::Dealer> dealers;
    for (std::size_t i = 0; i < 3; ++i)
      dealers.push_back(*protocol::Dealer::start(*parameters, i, *identities[i], std::move(ceremony_keys[i]),
                                                 system_random()));
    std::vector<Bytes> commits, reveals, deals, confirms;
    for (auto& dealer : dealers) commits.push_back(dealer.commit());
    for (auto& dealer : dealers) reveals.push_back(*dealer.reveal(commits));
    for (auto& dealer : dealers) deals.push_back(*dealer.deal(reveals));
    std::optional<protocol::PublicTranscript> transcript;
    for (std::size_t i = 0; i < 3; ++i) {
      auto outcome = *dealers[i].receive(deals);
      confirms.push_back(protocol::confirm(outcome.transcript, i, *identities[i]));
      if (outcome.parts) recovery_parts = outcome.parts->encoded();
      transcript = std::move(outcome.transcript);
    }
    return *protocol::Bundle::assemble(*transcript, confirms);
  }
};

}  // namespace coprotect::provisioning
