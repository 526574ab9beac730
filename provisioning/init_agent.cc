#include "provisioning/init_agent.h"

#include <stdlib.h>

#include <sstream>

#include "hsm/token_label.h"
#include "protocol/x509/issue.h"
#include "provisioning/agent_invitation.h"
#include "provisioning/agent_tls.h"
#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "provisioning/report.h"
#include "provisioning/toml_text.h"
#include "provisioning/url.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kIdentityLifetimeMs = 30 * 365 * kDayMs;

std::string configuration(const AgentSetup& setup, const Url& url) {
  const std::string everywhere = "[::]:" + std::to_string(url.port);
  const std::string listen = setup.listen.value_or(url.is_address() ? url.authority() : everywhere);
  std::ostringstream text;
  text << "role = " << toml_string(setup.role) << '\n'
       << "url = " << toml_string(setup.url) << '\n'
       << "listen = " << toml_string(listen) << '\n'
       << "token = " << toml_string(setup.token) << '\n'
       << "hold_seconds = " << setup.hold_seconds << "\n\n"
       << "[tls]\n"
       << "certificate = \"tls.pem\"\n"
       << "key = \"tls.key.pem\"\n";
  return text.str();
}

Result<std::optional<protocol::OrganisationCertificate>> certify(const AgentSetup& setup,
                                                                 const hsm::Keyring& keyring) {
  if (setup.organisation == nullptr && setup.companys)
    return std::optional<protocol::OrganisationCertificate>();
  const auto& identity = keyring.identity();
  const Organisation* const by = setup.organisation;
  auto made = protocol::OrganisationCertificate::issue(
      protocol::OrganisationKind::agent, by != nullptr ? by->name : setup.role,
      by != nullptr ? by->key : identity, identity.public_key());
  if (!made) return std::move(made).error();
  return std::optional(*std::move(made));
}

Result<AgentIdentity> make_identity(const fs::path& folder, const AgentSetup& setup, std::int64_t now_ms,
                                    Random& random) {
  const hsm::Token token({.uri = setup.token, .helper = setup.token_helper});
  auto keyring = hsm::Keyring::create(token, folder / "keyring", random);
  if (!keyring) return std::move(keyring).error().in(hsm::token_label(setup.token));
  auto certificate =
      issue_certificate({.common_name = "coprotect " + setup.role + " agent",
                         .use = protocol::CertificateUse::authority,
                         .uris = {},
                         .hosts = {},
                         .not_before_ms = now_ms - kBackdateMs,
                         .not_after_ms = now_ms + kIdentityLifetimeMs},
                        keyring->identity().public_key(), nullptr, keyring->identity(), random);
  if (!certificate) return std::move(certificate).error().in("identity certificate");
  auto organisation = certify(setup, *keyring);
  if (!organisation) return std::move(organisation).error();
  hsm::Token named = token.named(keyring->token_name());
  return AgentIdentity{
      setup.role,          setup.url,       *std::move(certificate), *std::move(organisation),
      *std::move(keyring), std::move(named)};
}

Result<std::string> fill(const fs::path& folder, const AgentSetup& setup, const Url& url, std::int64_t now_ms,
                         Random& random) {
  auto agent = make_identity(folder, setup, now_ms, random);
  if (!agent) return std::move(agent).error();
  if (auto done = write_durable(folder / "identity.pem", bytes_of(agent->certificate.pem()), kPublicMode);
      !done)
    return std::move(done).error();
  const ByteView organisation = agent->organisation ? ByteView(agent->organisation->encoded()) : ByteView();
  if (auto done = write_durable(folder / "organisation", organisation, kPublicMode); !done)
    return std::move(done).error();
  if (auto done = write_tls(folder, *agent, now_ms, random); !done) return std::move(done).error();
  if (auto done = write_invitation(folder, *agent, now_ms, random); !done) return std::move(done).error();
  if (auto done = write_durable(folder / "agent.toml", bytes_of(configuration(setup, url)), kPublicMode);
      !done)
    return std::move(done).error();
  return agent->keyring.token_name();
}

// Removes what killed runs left: folders of our temporary names that no process has locked.
Status remove_leftovers(const fs::path& directory) {
  const std::string prefix = directory.filename().string() + ".tmp-";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory.parent_path(), ignored)) {
    if (!entry.path().filename().string().starts_with(prefix) || !entry.is_directory(ignored)) continue;
    auto unused = DirectoryLock::acquire(entry.path());
    if (!unused) continue;
    if (auto removed = remove_tree(entry.path()); !removed) return removed;
  }
  return Done{};
}

}  // namespace

Result<std::string> init_agent(const AgentSetup& setup, std::int64_t now_ms, Random& random) {
  auto url = Url::parse(setup.url);
  if (!url) return std::move(url).error();
  if (!protocol::valid_party_name(setup.role))
    return Error(Code::malformed, "\"" + setup.role + "\" is not a party's name");
  const fs::path directory = fs::absolute(setup.directory).lexically_normal();
  // A trailing slash is an empty last component.
  const fs::path target = directory.has_filename() ? directory : directory.parent_path();
  std::error_code ignored;
  if (fs::exists(target, ignored) && !fs::is_empty(target, ignored))
    return with_hint(Error(Code::conflict, "\"" + target.string() + "\" holds something already"),
                     "an agent's folder is made once; choose another folder, or move this one away");
  if (auto clean = remove_leftovers(target); !clean) return std::move(clean).error();

  std::string temporary = target.string() + ".tmp-XXXXXX";
  if (mkdtemp(temporary.data()) == nullptr)
    return Error(Code::unavailable, "cannot make a folder in \"" + target.parent_path().string() + "\"");
  auto lock = DirectoryLock::acquire(temporary);
  if (!lock) return std::move(lock).error();
  auto token = fill(temporary, setup, *url, now_ms, random);
  auto placed = token ? rename_durable(temporary, target) : Status(token.error());
  if (placed) return token;
  // What cannot be removed the next run removes.
  static_cast<void>(bool(remove_tree(temporary)));
  return std::move(placed).error();
}

}  // namespace coprotect::provisioning
