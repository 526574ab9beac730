// coprotect-agent: one party's agent. This process is the custodian; through coprotect-starter it starts
// coprotect-front, which serves the network, coprotect-relay, which asks other agents, and coprotect-token,
// which talks to the token (hsm/helper_folder.h says where they are).

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <CLI/CLI.hpp>

#include "agent/custodian_sandbox.h"
#include "agent/front_process.h"
#include "agent/log.h"
#include "agent/notifier.h"
#include "agent/service.h"
#include "agent/starter/starter.h"
#include "agent/text_file.h"
#include "hsm/agent_folder.h"
#include "hsm/erasure_holds.h"
#include "hsm/helper_folder.h"
#include "hsm/helper_process.h"
#include "hsm/sealed_keeper.h"
#include "protocol/base/arena.h"
#include "protocol/base/fd.h"
#include "protocol/base/secret_file.h"

namespace coprotect::agent {
namespace {

// The exit status that tells systemd not to start the agent again (coprotect-agent.service): the token
// refused the PIN. EX_NOPERM of sysexits.h.
constexpr int kPinRefused = 77;

Result<protocol::Certificate> read_certificate(const std::filesystem::path& file) {
  const auto pem = read_text_file(file);
  if (!pem) return pem.error();
  auto certificate = protocol::Certificate::parse_pem(bytes_of(*pem));
  if (!certificate) return std::move(certificate).error().in("\"" + file.string() + "\"");
  return certificate;
}

// An empty file says that the agent is its company's: the client CA certifies it.
Result<std::optional<protocol::OrganisationCertificate>> read_organisation(
    const std::filesystem::path& file) {
  const auto encoded = read_text_file(file);
  if (!encoded) return encoded.error();
  if (encoded->empty()) return std::optional<protocol::OrganisationCertificate>();
  auto certificate = protocol::OrganisationCertificate::parse(bytes_of(*encoded));
  if (!certificate) return std::move(certificate).error().in("\"" + file.string() + "\"");
  return std::optional(*std::move(certificate));
}

Result<std::unique_ptr<custodian::Custodian>> open_custodian(const Config& config,
                                                             const std::filesystem::path& programs) {
  auto certificate = read_certificate(config.folder / "identity.pem");
  if (!certificate) return std::move(certificate).error();
  auto organisation = read_organisation(config.folder / "organisation");
  if (!organisation) return std::move(organisation).error();
  const hsm::Token token({.uri = config.token,
                          .helper = programs / "coprotect-token",
                          .refused_pin = config.state() / hsm::kRefusedPinFile});
  auto keyring = hsm::Keyring::open(token, config.folder / "keyring");
  if (!keyring) return std::move(keyring).error().in("keyring");
  if (!(keyring->identity().public_key() == certificate->key()))
    return Error(Code::altered, "identity.pem is not the certificate of the keyring's identity");
  if (*organisation && (*organisation)->certified_key() != certificate->key().bytes())
    return Error(Code::altered, "the file \"organisation\" certifies another agent than identity.pem");
  auto keeper = hsm::make_sealed_keeper(token.named(keyring->token_name()),
                                        config.state() / hsm::kEpochKeysFile, config.hold);
  return custodian::Custodian::open(
      {.role = config.role,
       .url = config.url,
       .identity_certificate = std::move(*certificate),
       .organisation = *std::move(organisation),
       .folder = config.folder,
       .allow_recover = config.policy.recover,
       .requests = config.policy.requests,
       .allow_sole_holder = config.policy.sole_holder,
       .agents_of_new_keys = config.policy.agents_of_new_keys,
       .handover = {.delay_ms = std::chrono::milliseconds(config.policy.handover.delay).count(),
                    .announced = config.policy.handover.announced,
                    .notify = notifier(config.policy.handover.notify)},
       .derive = config.policy.derive,
       .destroy_wait = config.policy.destroy_wait,
       .peers_every = config.peers_every},
      std::move(*keyring), std::move(keeper));
}

// The operator's word about a restored store that no other agent can be asked about.
Status accept_restored(custodian::Custodian& custodian) {
  const auto accepted = custodian.peers().accept_restored();
  if (!accepted) return accepted.error();
  if (*accepted)
    log_warning("the restored store was accepted by the operator; no other agent was heard");
  else
    log_info("--accept-restored has nothing to do: the store was not restored from a backup");
  return Done{};
}

// What this process starts, it starts through another one from now on, to its very end: threads that reap may
// be the last.
Result<Starter*> begin_starter(const Config& config, const std::filesystem::path& programs) {
  const auto front = front_arguments(programs / "coprotect-front", config);
  const auto relay = programs / "coprotect-relay";
  std::vector<Starter::Program> allowed = {{.executable = front.front(), .arguments = front},
                                           {.executable = relay, .arguments = {relay.string()}},
                                           {.executable = programs / "coprotect-token",
                                            .arguments = {hsm::kHelperName},
                                            .takes_environment = true}};
  if (const auto& notify = config.policy.handover.notify)
    allowed.push_back({.executable = *notify, .arguments = {notify->string()}, .takes_more = true});
  auto starter =
      Starter::begin(programs / "coprotect-starter", allowed, hsm::environment_of_helper(config.token));
  if (!starter) return std::move(starter).error();
  Starter* const lasting = starter->release();
  hsm::spawn_through(*lasting);
  return lasting;
}

Status confine(const Config& config) {
  protocol::SigningKey::prepare();  // OpenSSL reads its files
  const auto landlock = enter_sandbox(needs_of_custodian(config));
  if (!landlock) return landlock.error();
  if (*landlock == 0)
    log_warning("the kernel has no Landlock: the agent reaches all files that its user may");
  return Done{};
}

// One that is missing is seen by the front, and may come yet.
Status check_tls_key(const std::filesystem::path& file) {
  const Fd key(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return key ? is_kept_secret(key.get(), file.native()) : Status(Done{});
}

// Who may write there says what the agent is, or takes away or puts back what it wrote.
Status check_folder(const std::filesystem::path& folder) {
  struct stat about {};
  if (stat(folder.c_str(), &about) != 0) {
    if (errno == ENOENT) return Done{};
    return Error(Code::unavailable, "cannot look at \"" + folder.string() + "\": " + std::strerror(errno));
  }
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) == 0) return Done{};
  return Error(Code::malformed, "others may write to the agent's folder \"" + folder.string() +
                                    "\": chmod go-w it, and consider what they may have changed");
}

// What root's agent writes there the agent's own user could not read at the next start.
Status check_user(const std::filesystem::path& state) {
  struct stat about {};
  if (stat(state.c_str(), &about) != 0 || about.st_uid == geteuid()) return Done{};
  return Error(Code::denied, "\"" + state.string() + "\" belongs to the user with the number " +
                                 std::to_string(about.st_uid) + ": start the agent as that user");
}

Status run(const std::filesystem::path& config_file, bool restored_is_accepted) {
  const auto config = Config::load(config_file);
  if (!config) return config.error();
  for (const auto& folder :
       {config->folder, hsm::state_of(config->folder), config->folder / hsm::ErasureHolds::kFolder})
    if (auto own = check_folder(folder); !own) return own;
  if (auto user = check_user(hsm::state_of(config->folder)); !user) return user;
  if (auto kept = check_tls_key(config->tls.key); !kept) return kept;
  const auto programs = hsm::helper_folder();
  if (!programs) return programs.error();
  const auto starter = begin_starter(*config, *programs);
  if (!starter) return starter.error();
  const auto signals = Service::take_signals();
  if (!signals) return signals.error();
  if (auto confined = confine(*config); !confined) return confined;
  const auto custodian = open_custodian(*config, *programs);
  if (!custodian) return custodian.error();
  if (const std::string damage = (*custodian)->damage(); !damage.empty())
    log_warning("the log is " + damage + ". Until then no destroyed key's shares are erased");
  if (restored_is_accepted)
    if (auto accepted = accept_restored(**custodian); !accepted) return accepted;
  log_info("coprotect-agent " COPROTECT_VERSION " for \"" + config->role + "\" at " + config->url);
  Service service(*config, *programs, **custodian, **starter);
  return service.run(*signals);
}

int main_of(int argc, char** argv) {
  close_range(STDERR_FILENO + 1, ~0u, 0);  // whatever the one who started this had open
  signal(SIGUSR1, SIG_IGN);                // until Service::take_signals(): it asks, and must end nothing
  const auto locked = locked_memory::install();
  if (!locked) {
    log_error(locked.error().message());
    return 1;
  }
  if (*locked == locked_memory::Kind::mlocked)
    log_warning("the kernel has no memfd_secret: shares are in locked memory that root can read");
  std::filesystem::path config_file;
  bool restored_is_accepted = false;
  CLI::App app("one party's CoProtect agent");
  app.add_option("--config", config_file, "the agent's agent.toml")->required();
  app.add_flag("--accept-restored", restored_is_accepted,
               "serve a store that was restored from a backup although no other agent is left to be heard");
  app.set_version_flag("--version", "coprotect-agent " COPROTECT_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto done = run(config_file, restored_is_accepted);
  if (done) return 0;
  log_error(done.error().message());
  return done.error().code() == Code::wrong_code ? kPinRefused : 1;
}

}  // namespace
}  // namespace coprotect::agent

int main(int argc, char** argv) {
  return coprotect::agent::main_of(argc, argv);
}
