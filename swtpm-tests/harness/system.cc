#include "swtpm-tests/harness/system.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "protocol/base/bytes.h"

namespace coprotect::harness {
namespace {

constexpr const char* kPassphrase = "a passphrase for the tests' client CA, long enough\n";

// A loopback address for each system that this machine runs at a time: 127/8 is all loopback, so a fixed port
// is free on it.
std::string own_address() {
  static int systems = 0;
  const int n = (static_cast<int>(getpid()) * 4 + systems++ % 4) % (250 * 250 * 250);
  return "127." + std::to_string(n / 62'500 % 250 + 1) + "." + std::to_string(n / 250 % 250) + "." +
         std::to_string(n % 250 + 2);
}

void expect_done(const Finished& run, const char* what) {
  EXPECT_EQ(run.exit_code, 0) << what << (run.timed_out ? " (timed out)" : "") << "\n" << run.out << run.err;
}

// The recovery code that coprotect-provision wrote to descriptor 7, if it did.
std::string shown_code(const Finished& run) {
  const auto written = run.written.find(7);
  std::string shown = written == run.written.end() ? "" : written->second;
  std::erase(shown, '\n');
  return shown;
}

}  // namespace

bool Agent::start(const Options& options) {
  std::vector<std::string> all = environment;
  if (options.fault_at > 0) all.push_back("COPROTECT_FAULT_AT=" + std::to_string(options.fault_at));
  if (options.lists_points) {
    std::filesystem::remove(fault_log());
    all.push_back("COPROTECT_FAULT_LOG=" + fault_log().string());
  }
  auto program =
      options.with_faults ? System::fault_program("coprotect-agent") : System::program("coprotect-agent");
  if (!options.programs.empty()) {
    program = options.programs / "coprotect-agent";
    // Puppets answer no ping.
    const std::string content = read_file(config());
    if (content.find("[limits]") == std::string::npos)
      write_file(config(), content + "\n[limits]\nhang_seconds = 3600\n");
  }
  std::vector<std::string> arguments = {program.string(), "--config", config().string()};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  daemon_ = Daemon::start_notifying(arguments, std::move(all), log());
  EXPECT_TRUE(daemon_.started() || options.fault_at > 0) << role_ << " agent:\n" << read_file(log());
  return daemon_.started();
}

std::filesystem::path System::program(const std::string& name) {
  return std::filesystem::path(COPROTECT_PROGRAM_DIR) / name;
}

std::filesystem::path System::fault_program(const std::string& name) {
  return std::filesystem::path(COPROTECT_FAULT_PROGRAM_DIR) / name;
}

System::System(const Options& options) : options_(options) {
  tpm_ = std::make_unique<SoftTpm>(folder() / "tpm");
  token_ = std::make_unique<SoftToken>(folder() / "token");
  address_ = own_address();
  cloud_ = std::make_unique<Agent>("cloud", folder() / "cloud", "https://" + address_ + ":8443");
  company_ = std::make_unique<Agent>("company", folder() / "company", "https://" + address_ + ":8444");
  company_->environment = {"SOFTHSM2_CONF=" + token_->configuration().string()};
  expect_done(Command(program("coprotect-provision"))
                  .args({"organisation", "--out", provider().string(), "--name", "Example Cloud",
                         "--ca-memory", "8", "--passphrase-fd", "9"})
                  .feed(9, kPassphrase)
                  .run(),
              "organisation");
  if (!init_agent(*cloud_, "cloud", tpm_->uri(), true) ||
      !init_agent(*company_, "company", token_->uri(), false))
    return;
  if (!options.started || !cloud_->start() || !company_->start() || !options.onboarded) return;
  expect_done(onboard(), "onboard");
  if (options.derive_key)
    expect_done(add_key("derive", {"--purpose", "derive", "--suite", options.suite}), "add-key");
}

bool System::init_agent(Agent& agent, const std::string& role, const std::string& token_uri,
                        bool of_provider) {
  Command command(program("coprotect-provision"));
  command.args({"init-agent", "--dir", agent.folder().string(), "--role", role, "--url", agent.url(),
                "--token", token_uri, "--hold-seconds", std::to_string(options_.hold_seconds)});
  for (const auto& assignment : agent.environment) command.env(assignment);
  if (of_provider && role.starts_with("cloud"))
    command.args({"--organisation", provider().string(), "--organisation-passphrase-fd", "9"})
        .feed(9, kPassphrase);
  const Finished run = command.run();
  expect_done(run, "init-agent");
  if (!options_.policy.empty())
    std::ofstream(agent.config(), std::ios::app) << "\n[policy]\n" << options_.policy;
  if (!options_.derive_policy.empty())
    std::ofstream(agent.config(), std::ios::app) << "\n[policy.derive]\n" << options_.derive_policy;
  if (!options_.handover_policy.empty())
    std::ofstream(agent.config(), std::ios::app) << "\n[policy.handover]\n" << options_.handover_policy;
  std::ofstream(agent.config(), std::ios::app)
      << "\n[peers]\nevery_seconds = " << options_.peer_seconds << "\n";
  return run.exit_code == 0;
}

Finished System::onboard(const std::filesystem::path& provision, std::vector<std::string> environment,
                         std::string (*change)(std::string)) {
  Command command(provision);
  command.args({"onboard",
                "--tenant",
                options_.tenant,
                "--suite",
                options_.suite,
                "--out",
                out().string(),
                "--cloud-invitation",
                cloud_->invitation().string(),
                "--company-invitation",
                company_->invitation().string(),
                "--show-code-fd",
                "7",
                "--code-fd",
                "8",
                "--ca-passphrase-fd",
                "9",
                "--ca-memory",
                "8",
                "--same-host"});
  for (auto& assignment : environment) command.env(std::move(assignment));
  Finished run = command.retype(7, 8, change).feed(9, kPassphrase).run(std::chrono::seconds(180));
  if (const std::string shown = shown_code(run); !shown.empty())
    code_ = shown;  // a resumed onboarding shows none: the paper has it
  return run;
}

Finished System::invite(const Agent& agent) const {
  Command command(program("coprotect-provision"));
  for (const auto& assignment : agent.environment) command.env(assignment);
  return command.args({"invite", "--dir", agent.folder().string()}).run();
}

Agent& System::add_agent(const std::string& role, const std::string& name, bool tpm, bool of_provider) {
  Further further;
  const std::string port = std::to_string(8445 + further_.size());
  further.agent = std::make_unique<Agent>(role, folder() / name, "https://" + address_ + ":" + port);
  std::string uri;
  if (tpm) {
    further.tpm = std::make_unique<SoftTpm>(folder() / (name + "-tpm"));
    uri = further.tpm->uri();
  } else {
    further.token = std::make_unique<SoftToken>(folder() / (name + "-token"));
    further.agent->environment = {"SOFTHSM2_CONF=" + further.token->configuration().string()};
    uri = further.token->uri();
  }
  further_.push_back(std::move(further));
  Agent& agent = *further_.back().agent;
  if (init_agent(agent, role, uri, of_provider)) agent.start();
  return agent;
}

// The pending plan's hash stands after its magic, its version and the key's id.
void System::approve_until(const std::atomic<bool>& over) const {
  constexpr std::size_t kHash = 4 + 1 + 32;
  std::vector<const Agent*> agents{cloud_.get(), company_.get()};
  for (const Further& further : further_) agents.push_back(further.agent.get());
  if (approving) agents = *approving;
  std::set<std::pair<const Agent*, std::string>> approved;
  while (!over) {
    for (const Agent* const agent : agents) {
      std::error_code ignored;
      for (const auto& entry : std::filesystem::directory_iterator(agent->state() / "pending", ignored)) {
        const std::string plan = read_file(entry.path());
        if (entry.path().filename().string().starts_with('.') || plan.size() < kHash + 32) continue;
        const auto* const hash = reinterpret_cast<const std::uint8_t*>(plan.data()) + kHash;
        const std::string digits = to_hex(ByteView(hash, 32));
        if (!approved.emplace(agent, digits).second) continue;
        Command command(program("coprotect-provision"));
        for (const auto& assignment : agent->environment) command.env(assignment);
        command.args({"approve", "--dir", agent->folder().string(), digits, "--yes"}).run();
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

Finished System::hand_over(std::vector<std::string> args, bool new_code,
                           const std::filesystem::path& provision,
                           const std::vector<std::string>& environment) {
  std::atomic<bool> over = false;
  std::jthread operators([&] { approve_until(over); });
  const auto told = [&over](Finished run) {
    over = true;
    return run;
  };
  Command command(provision);
  command.args(args);
  for (const auto& assignment : environment) command.env(assignment);
  if (args.front() != "refresh") command.args({"--code-fd", "8"});
  if (args.front() != "refresh") command.args({"--ca-passphrase-fd", "9"}).feed(9, kPassphrase);
  if (args.front() == "restore") command.args({"--ca-memory", "8"});
  if (!new_code) return told(command.feed(8, code_ + "\n").run(std::chrono::seconds(180)));
  Finished run = told(command.args({"--show-code-fd", "7"}).retype(7, 8).run(std::chrono::seconds(180)));
  if (const std::string shown = shown_code(run); !shown.empty()) code_ = shown;
  return run;
}

void System::invite_both() const {
  for (const Agent* const agent : {cloud_.get(), company_.get()}) expect_done(invite(*agent), "invite");
}

Finished System::add_key(const std::string& name, const std::vector<std::string>& options,
                         const std::filesystem::path& provision,
                         const std::vector<std::string>& environment) {
  invite_both();
  return add_key_again(name, options, provision, environment);
}

Finished System::add_key_again(const std::string& name, const std::vector<std::string>& options,
                               const std::filesystem::path& provision,
                               const std::vector<std::string>& environment) {
  return make_key(name, {"add-key", name}, options, provision, environment);
}

Finished System::rotate(const std::string& name, const std::vector<std::string>& options,
                        const std::filesystem::path& provision, const std::vector<std::string>& environment) {
  invite_both();
  return rotate_again(name, options, provision, environment);
}

Finished System::rotate_again(const std::string& name, const std::vector<std::string>& options,
                              const std::filesystem::path& provision,
                              const std::vector<std::string>& environment) {
  return make_key(name, {"rotate", "--name", name}, options, provision, environment);
}

Command System::key_command(const std::vector<std::string>& command_line,
                            const std::vector<std::string>& options, const std::filesystem::path& provision,
                            const std::vector<std::string>& environment) const {
  Command command(provision);
  command.args(command_line)
      .args({"--dir", out().string(), "--cloud-invitation", cloud_->invitation().string(),
             "--company-invitation", company_->invitation().string(), "--show-code-fd", "7", "--code-fd", "8",
             "--ca-passphrase-fd", "9", "--same-host"})
      .args(options);
  for (const auto& assignment : environment) command.env(assignment);
  command.feed(9, kPassphrase);
  return command;
}

Finished System::make_key(const std::string& name, const std::vector<std::string>& command_line,
                          const std::vector<std::string>& options, const std::filesystem::path& provision,
                          const std::vector<std::string>& environment) {
  const Finished run =
      key_command(command_line, options, provision, environment).retype(7, 8).run(std::chrono::seconds(180));
  if (const std::string shown = shown_code(run); !shown.empty()) codes_[name] = shown;
  return run;
}

Finished System::add_key_by_code(const std::string& name, const std::vector<std::string>& options) {
  return key_command({"add-key", name}, options, program("coprotect-provision"), {})
      .collect(7)
      .feed(8, codes_.at(name) + "\n")
      .run(std::chrono::seconds(180));
}

Finished System::key_state(const std::string& key, const std::string& state,
                           const std::vector<std::string>& options, const std::filesystem::path& provision,
                           const std::vector<std::string>& environment) const {
  Command command(provision);
  command.args({"key-state", key, state, "--dir", out().string(), "--ca-passphrase-fd", "9"}).args(options);
  for (const auto& assignment : environment) command.env(assignment);
  return command.feed(9, kPassphrase).run();
}

std::string System::ca_passphrase() {
  std::string line = kPassphrase;
  line.pop_back();
  return line;
}

std::filesystem::path System::add_client(const std::string& name, const std::vector<std::string>& options) {
  const auto client = folder() / "clients" / name;
  std::filesystem::create_directories(client.parent_path());
  Command command(program("coprotect-provision"));
  command
      .args(
          {"add-client", name, "--dir", out().string(), "--out", client.string(), "--ca-passphrase-fd", "9"})
      .args(options)
      .feed(9, kPassphrase);
  expect_done(command.run(), "add-client");
  return client / "config.toml";
}

Finished System::remove_client(const std::string& name, const std::vector<std::string>& options) const {
  std::vector<std::string> args = {"remove-client", name, "--dir", out().string(), "--ca-passphrase-fd", "9"};
  args.insert(args.end(), options.begin(), options.end());
  return Command(program("coprotect-provision")).args(args).feed(9, kPassphrase).run();
}

Finished System::coprotect(const std::filesystem::path& config, const std::vector<std::string>& args) const {
  return Command(program("coprotect")).env("COPROTECT_CONFIG=" + config.string()).args(args).run();
}

Finished System::provision(const std::vector<std::string>& args) const {
  return Command(program("coprotect-provision")).args(args).run();
}

Finished System::recover(const std::vector<std::string>& args) const {
  return Command(program("coprotect"))
      .args({"decrypt", "--recover", "--kit", kit().string(), "--code-fd", "7"})
      .args(args)
      .feed(7, code_ + "\n")
      .run();
}

std::vector<long> deaths_that_differ(const std::string& fault_log) {
  std::vector<long> points;
  std::istringstream lines(fault_log);
  bool after = false;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(line.find(' ') + 1);
    if (!after || !name.starts_with("before ")) points.push_back(std::stol(line));
    after = name.starts_with("after ");
  }
  return points;
}

bool every_point_is_wanted() {
  return std::getenv("COPROTECT_EVERY_POINT") != nullptr;
}

std::size_t todays_first(std::size_t step) {
  constexpr std::time_t kDay = 86'400;
  return static_cast<std::size_t>(std::time(nullptr) / kDay) % step;
}

}  // namespace coprotect::harness
