// coprotect-agent: one party's agent. This process is the custodian. Through coprotect-starter it starts
// coprotect-front, which serves the network; coprotect-relay, which asks other agents; and coprotect-token,
// which talks to the token (hsm/helper_folder.h says where they are).

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "agent/check.h"
#include "agent/custodian_sandbox.h"
#include "agent/front_process.h"
#include "agent/log.h"
#include "agent/notifier.h"
#include "agent/service.h"
#include "agent/start_checks.h"
#include "agent/starter/starter.h"
#include "agent/status.h"
#include "hsm/helper_folder.h"
#include "hsm/helper_process.h"
#include "hsm/sealed_keeper.h"
#include "protocol/base/arena.h"

namespace coprotect::agent {
namespace {

// The exit status that tells systemd not to restart the agent (coprotect-agent.service): the token rejected
// the PIN. EX_NOPERM of sysexits.h.
constexpr int kPinRefused = 77;

Result<std::unique_ptr<custodian::Custodian>> open_custodian(const Config& config,
                                                             const std::filesystem::path& programs) {
  auto identity = read_identity(config.folder);
  if (!identity) return std::move(identity).error();
  const hsm::Token token = token_of(config, programs);
  auto keyring = open_keyring(config, token, *identity);
  if (!keyring) return std::move(keyring).error();
  auto keeper = hsm::make_sealed_keeper(token.named(keyring->token_name()),
                                        config.state() / hsm::kEpochKeysFile, config.hold);
  auto settings = settings_of(config, *std::move(identity));
  settings.handover.notify = notifier(config.policy.handover.notify);
  return custodian::Custodian::open(std::move(settings), *std::move(keyring), std::move(keeper));
}

// Accepts a restored store on the operator's word, when no other agent can be asked about it.
Status accept_restored(custodian::Custodian& custodian) {
  const auto accepted = custodian.peers().accept_restored();
  if (!accepted) return accepted.error();
  if (*accepted)
    log_warning("the restored store was accepted by the operator; no other agent was heard");
  else
    log_info("--accept-restored has nothing to do: the store was not restored from a backup");
  return Done{};
}

// From now on this process starts programs only through the starter, until it exits: threads that reap may be
// the last to end.
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

Status run(const std::filesystem::path& config_file, bool restored_is_accepted) {
  const auto config = Config::load(config_file);
  if (!config) return config.error();
  for (const auto& folder : own_folders(*config))
    if (auto own = check_folder(folder); !own) return own;
  if (auto user = check_user(config->state()); !user) return user;
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

Status run_status(const std::filesystem::path& config_file, bool as_json, int& exit_code) {
  const auto config = Config::load(config_file);
  if (!config) return config.error();
  const std::int64_t now_ms = custodian::system_clock_ms();
  const AgentStatus status = status_of(*config, now_ms);
  std::cout << (as_json ? status.json : status.text) << std::flush;
  exit_code = exit_code_of(status, now_ms);
  return std::cout ? Status(Done{}) : Error(Code::unavailable, "cannot write to stdout");
}

int run_check(const std::filesystem::path& config_file) {
  const auto programs = hsm::helper_folder();
  const auto found =
      programs ? check(config_file, *programs, custodian::system_clock_ms())
               : std::vector<Finding>{{true, "programs", programs.error().message(), "mount /proc"}};
  bool any_fault = false;
  for (const Finding& finding : found) {
    any_fault |= finding.is_fault;
    std::cout << finding.line() << '\n';
  }
  if (!any_fault) std::cout << "no fault found\n";
  std::cout << std::flush;
  return any_fault || !std::cout ? 1 : 0;
}

struct Options {
  std::filesystem::path config_file;
  bool restored_is_accepted = false;
  bool as_json = false;
};

void add_config_option(CLI::App& command, Options& options) {
  command.add_option("--config", options.config_file, "the agent's agent.toml");
}

void add_options(CLI::App& app, Options& options) {
  add_config_option(app, options);
  app.add_flag("--accept-restored", options.restored_is_accepted,
               "serve a store that was restored from a backup although no other agent is left to be heard");
  app.set_version_flag("--version", "coprotect-agent " COPROTECT_VERSION);
  app.require_subcommand(0, 1);
  CLI::App& status = *app.add_subcommand("status", "show what a running agent holds and how it is");
  status.footer(
      "Exit status: 0 if the agent runs, 3 if it does not, 1 if it runs and its report is old or "
      "cannot be read.\nThe agent writes the report every 15 s.");
  add_config_option(status, options);
  status.add_flag("--json", options.as_json, "for programs");
  CLI::App& check = *app.add_subcommand("check", "find what would keep an agent from starting or working");
  check.footer(
      "Each line: \"fault:\" or \"note:\", the object, the cause, and the step that mends it.\n"
      "Exit status: 0 if there is no fault, 1 if there is one. Nothing is changed. Run it as the "
      "agent's user.");
  add_config_option(check, options);
}

int main_of(int argc, char** argv) {
  close_range(STDERR_FILENO + 1, ~0u, 0);  // descriptors inherited from the parent
  signal(SIGUSR1, SIG_IGN);                // until Service::take_signals(): it must not end the process
  const auto locked = locked_memory::install();
  if (!locked) {
    log_error(locked.error().message());
    return 1;
  }
  Options options;
  CLI::App app("one party's CoProtect agent");
  add_options(app, options);
  try {
    app.parse(argc, argv);
    if (options.config_file.empty()) throw CLI::RequiredError("--config");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (app.got_subcommand("check")) return run_check(options.config_file);
  int exit_code = 0;
  Status done = Done{};
  if (app.got_subcommand("status")) {
    done = run_status(options.config_file, options.as_json, exit_code);
  } else {
    if (*locked == locked_memory::Kind::mlocked)
      log_warning("the kernel has no memfd_secret: shares are in locked memory that root can read");
    done = run(options.config_file, options.restored_is_accepted);
  }
  if (done) return exit_code;
  log_error(done.error().message());
  return done.error().code() == Code::wrong_code ? kPinRefused : 1;
}

}  // namespace
}  // namespace coprotect::agent

int main(int argc, char** argv) {
  return coprotect::agent::main_of(argc, argv);
}
