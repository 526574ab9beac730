#include "provisioning/organisation.h"

#include <iostream>

#include "protocol/base/in_groups.h"
#include "protocol/crypto/hash.h"
#include "protocol/x509/issue.h"
#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::OrganisationCertificate;
using protocol::OrganisationKind;

constexpr const char* kCertificate = "organisation.pem";
constexpr const char* kKey = "organisation.key";
constexpr const char* kName = "name";
constexpr std::int64_t kOrganisationLifetimeMs = 30 * 365 * kDayMs;

Status check_name(const std::string& name) {
  if (protocol::valid_organisation_name(name)) return Done{};
  return Error(Code::malformed, "an organisation's name is 1 to 64 printable ASCII characters");
}

}  // namespace

Status make_organisation(const OrganisationOptions& options, const Operator& person, std::int64_t now_ms,
                         Random& random) {
  if (auto valid = check_name(options.name); !valid) return valid;
  std::error_code ignored;
  if (fs::exists(options.out, ignored) && !fs::is_empty(options.out, ignored))
    return with_hint(Error(Code::conflict, "\"" + options.out.string() + "\" holds something already"),
                     "an organisation's key is made once, and certifies all its agents");
  const auto passphrase = person.new_ca_passphrase();
  if (!passphrase) return passphrase.error();
  if (passphrase->size() == 0)
    return Error(Code::denied, "the passphrase for the organisation's key is empty");
  const auto key = protocol::SigningKey::generate(random);
  // The certificate only carries the public key. No chain is verified to it.
  const auto certificate = issue_certificate({.common_name = "coprotect organisation",
                                              .use = protocol::CertificateUse::authority,
                                              .uris = {},
                                              .hosts = {},
                                              .not_before_ms = now_ms - kBackdateMs,
                                              .not_after_ms = now_ms + kOrganisationLifetimeMs},
                                             key.public_key(), nullptr, key, random);
  if (!certificate) return certificate.error();
  const auto sealed = seal_ca_key(key, *certificate, *passphrase, random, ca_key_cost(options.memory_mib));
  if (!sealed) return sealed.error();
  if (auto made = make_private_directory(options.out); !made) return made;
  if (auto done = write_durable(options.out / kName, bytes_of(options.name), kPublicMode); !done) return done;
  if (auto done = write_durable(options.out / kCertificate, bytes_of(certificate->pem()), kPublicMode); !done)
    return done;
  if (auto done = write_durable(options.out / kKey, *sealed, kPrivateMode); !done) return done;
  const std::string folder = options.out.string();
  std::cout << "made \"" << folder << "\", the organisation \"" << options.name << "\"; companies see it as\n"
            << in_groups(protocol::organisation_fingerprint(key.public_key().bytes()), "    ") << '\n'
            << "  next          coprotect-provision init-agent --organisation " << folder
            << " for each of its agents\n"
            << "  keep apart    the folder, off every agent's host: whoever has it and the passphrase can "
               "make agents in this name\n";
  return Done{};
}

Result<Organisation> open_organisation(const fs::path& folder, const Operator& person) {
  const auto pem = client::read_small_file(folder / kCertificate, kMaxFile);
  if (!pem)
    return with_hint(pem.error(), "--organisation names a folder that coprotect-provision organisation made");
  const auto certificate = protocol::Certificate::parse_pem(*pem);
  if (!certificate) return Error(certificate.error()).in("\"" + (folder / kCertificate).string() + "\"");
  const auto name_bytes = client::read_small_file(folder / kName, kMaxFile);
  if (!name_bytes) return name_bytes.error();
  std::string name(text_of(*name_bytes));
  if (auto valid = check_name(name); !valid)
    return std::move(valid).error().in("\"" + (folder / kName).string() + "\"");
  const auto sealed = client::read_small_file(folder / kKey, kMaxFile);
  if (!sealed) return sealed.error();
  const auto passphrase = person.organisation_passphrase();
  if (!passphrase) return passphrase.error();
  auto key = open_ca_key(*sealed, *certificate, *passphrase);
  if (!key) return std::move(key).error().in("organisation \"" + name + "\"");
  return Organisation{std::move(name), *std::move(key)};
}

Result<OrganisationCertificate> organisation_of(const protocol::Invitation& invitation,
                                                const std::string& tenant, const protocol::SigningKey* ca_key,
                                                bool ours) {
  if (invitation.organisation) return *invitation.organisation;
  if (!ours)
    return with_hint(
        Error(Code::denied,
              "the invitation of the " + invitation.role + " agent at " + invitation.url +
                  " names no organisation, so the agent would count as the company's; its identity "
                  "is " +
                  to_hex(protocol::sha256(invitation.identity_certificate.key().bytes()))),
        "if your own operators made this agent, say --our-agent " + invitation.role +
            "; otherwise its operator makes it with init-agent --organisation");
  if (ca_key == nullptr)
    return Error(Code::denied,
                 "the " + invitation.role +
                     " agent is to be the company's, which certifies it with its client CA: that key is "
                     "not at hand");
  return OrganisationCertificate::issue(OrganisationKind::agent, tenant, *ca_key,
                                        invitation.identity_certificate.key());
}

OrganisationCertificate certify_recovery(const std::string& tenant, const protocol::SigningKey& ca_key,
                                         const protocol::HpkePublicKey& recovery_key) {
  auto certificate = OrganisationCertificate::issue_recovery(tenant, ca_key, recovery_key);
  invariant(static_cast<bool>(certificate));  // a tenant's name is a valid name, and our key is a point
  return *std::move(certificate);
}

}  // namespace coprotect::provisioning
