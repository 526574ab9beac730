#include "provisioning/init_agent.h"

#include <fcntl.h>
#include <stdlib.h>

#include <sstream>

#include "hsm/agent_folder.h"
#include "hsm/epoch_keys.h"
#include "hsm/erasure_holds.h"
#include "hsm/token_label.h"
#include "protocol/x509/issue.h"
#include "provisioning/agent_files.h"
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
  std::error_code ignored;
  const bool there = fs::exists(setup.directory, ignored);
  const auto owner =
      there ? hsm::other_owner(setup.directory) : Result<std::optional<hsm::FileOwner>>(std::nullopt);
  if (!owner) return owner.error();
  const hsm::Token token({.uri = setup.token,
                          .helper = setup.token_helper,
                          .refused_pin = refused_pin_beside(without_slash(setup.directory)),
                          .owner = *owner});
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

// The agent itself creates folders only in its state.
Status make_folders(const fs::path& folder) {
  for (const fs::path& inner : {hsm::state_of(folder), folder / hsm::ErasureHolds::kFolder})
    if (auto made = make_private_directory(inner); !made) return made;
  return Done{};
}

Result<std::string> fill(const fs::path& folder, const AgentSetup& setup, const Url& url, std::int64_t now_ms,
                         Random& random) {
  if (auto made = make_folders(folder); !made) return std::move(made).error();
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

// Marks a temporary folder until it becomes the agent's.
constexpr const char* kUnfinished = ".unfinished";

// Whether a killed run left the folder. A user may have given an agent's folder a temporary name, so a folder
// with a store is never removed.
bool is_leftover(const fs::path& folder) {
  std::error_code failure;
  const bool ours = fs::is_empty(folder, failure) || fs::exists(folder / kUnfinished, failure);
  if (failure || !ours) return false;
  for (const char* const kept : {"store.db", hsm::kEpochKeysFile})
    if (fs::exists(fs::symlink_status(hsm::state_of(folder) / kept, failure))) return false;
  return !failure || failure == std::errc::no_such_file_or_directory;
}

// Removes what killed runs left: folders with our temporary names that no process has locked.
Status remove_leftovers(const fs::path& directory) {
  const std::string prefix = directory.filename().string() + ".tmp-";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory.parent_path(), ignored)) {
    if (!entry.path().filename().string().starts_with(prefix) || !entry.is_directory(ignored)) continue;
    auto unused = DirectoryLock::acquire(entry.path());
    if (!unused || !is_leftover(entry.path())) continue;
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
  const fs::path target = without_slash(setup.directory);
  if (auto own = check_no_symlink(target); !own) return std::move(own).error();
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
  const fs::path unfinished = fs::path(temporary) / kUnfinished;
  const Fd mark(open(unfinished.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, kPrivateMode));
  auto token = fill(temporary, setup, *url, now_ms, random);
  auto placed = token ? give_to_owner_of(target, temporary) : Status(token.error());
  if (placed) placed = rename_durable(temporary, target);
  if (placed) {
    fs::remove(target / kUnfinished, ignored);
    return token;
  }
  // The next run removes what cannot be removed now.
  static_cast<void>(bool(remove_tree(temporary)));
  return std::move(placed).error();
}

}  // namespace coprotect::provisioning
