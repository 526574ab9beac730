// coprotect-agent: one party's agent. This process is the custodian; it starts coprotect-front, which serves
// the network, coprotect-relay, which asks other agents, and coprotect-token, which talks to the token, from
// beside its own executable.

#include <CLI/CLI.hpp>

#include "agent/log.h"
#include "agent/notifier.h"
#include "agent/service.h"
#include "agent/text_file.h"
#include "hsm/sealed_keeper.h"
#include "protocol/base/arena.h"

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
                          .refused_pin = config.folder / hsm::kRefusedPinFile});
  auto keyring = hsm::Keyring::open(token, config.folder / "keyring");
  if (!keyring) return std::move(keyring).error().in("keyring");
  if (!(keyring->identity().public_key() == certificate->key()))
    return Error(Code::altered, "identity.pem is not the certificate of the keyring's identity");
  if (*organisation && (*organisation)->certified_key() != certificate->key().bytes())
    return Error(Code::altered, "the file \"organisation\" certifies another agent than identity.pem");
  auto keeper = hsm::make_sealed_keeper(token.named(keyring->token_name()),
                                        config.folder / hsm::kEpochKeysFile, config.hold);
  return custodian::Custodian::open(
      {.role = config.role,
       .url = config.url,
       .identity_certificate = std::move(*certificate),
       .organisation = *std::move(organisation),
       .state = config.folder,
       .allow_recover = config.policy.recover,
       .requests_per_key_per_day = config.policy.requests_per_key_per_day,
       .allow_sole_holder = config.policy.sole_holder,
       .handover = {.delay_ms = std::chrono::milliseconds(config.policy.handover.delay).count(),
                    .announced = config.policy.handover.announced,
                    .notify = notifier(config.policy.handover.notify)},
       .derive = config.policy.derive,
       .destroy_wait = config.policy.destroy_wait},
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

Status run(const std::filesystem::path& config_file, bool restored_is_accepted) {
  const auto config = Config::load(config_file);
  if (!config) return config.error();
  std::error_code failure;
  const auto programs = std::filesystem::read_symlink("/proc/self/exe", failure).parent_path();
  if (failure) return Error(Code::internal, "cannot find the agent's own folder: " + failure.message());
  const auto signals = Service::take_signals();
  if (!signals) return signals.error();
  const auto custodian = open_custodian(*config, programs);
  if (!custodian) return custodian.error();
  if (restored_is_accepted)
    if (auto accepted = accept_restored(**custodian); !accepted) return accepted;
  log_info("coprotect-agent " COPROTECT_VERSION " for \"" + config->role + "\" at " + config->url);
  Service service(*config, programs, **custodian);
  return service.run(*signals);
}

int main_of(int argc, char** argv) {
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
