#include "provisioning/cli.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "hsm/helper_folder.h"
#include "provisioning/add_key.h"
#include "provisioning/agent_invitation.h"
#include "provisioning/agent_tls.h"
#include "provisioning/approve.h"
#include "provisioning/as_owner.h"
#include "provisioning/cli_upkeep.h"
#include "provisioning/clock.h"
#include "provisioning/enrolment.h"
#include "provisioning/handover/cli.h"
#include "provisioning/init_agent.h"
#include "provisioning/key_commands.h"
#include "provisioning/log.h"
#include "provisioning/onboard.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

// The arguments of all commands, filled from the command line.
struct Arguments {
  AgentSetup agent;
  OrganisationOptions organisation;
  ApproveOptions approve;
  fs::path organisation_folder;
  std::string invited_tenant;
  OnboardOptions onboard;
  AddKeyOptions key;
  AddClientOptions add;
  RemoveClientOptions remove;
  LogOptions log;
  HandoverArguments handover;
  UpkeepArguments upkeep;
  KeyCommands keys;
  Operator::Descriptors descriptors;
  std::string suite = "p256";
  std::string purpose = "envelope";
  std::string role = "user";
  fs::path log_directory;
};

fs::path token_helper() {
  const auto folder = hsm::helper_folder();
  return (folder ? *folder : fs::path()) / "coprotect-token";
}

void add_init_agent(CLI::App& app, Arguments& to) {
  CLI::App& command = *app.add_subcommand("init-agent", "make an agent's folder, on the agent's host");
  command.add_option("--dir", to.agent.directory, "the new folder")->required();
  command.add_option("--role", to.agent.role, "whose agent it is")
      ->required()
      ->check([](const std::string& role) {
        return protocol::valid_party_name(role) && role != "recovery" ? std::string() : "not a party's name";
      });
  command.add_option("--url", to.agent.url, "how clients reach it: https://HOST:PORT")->required();
  command.add_option("--listen", to.agent.listen, "ADDRESS:PORT to listen on, if the URL does not say");
  command.add_option("--token", to.agent.token, "the token that seals its secrets: tpm:… or pkcs11:…")
      ->required();
  command
      .add_option("--organisation", to.organisation_folder,
                  "whose agent it is: a folder that the command organisation made; without it an agent named "
                  "company or company-… is the company's, any other stands for itself")
      ->check(CLI::ExistingDirectory);
  command.add_option("--organisation-passphrase-fd", to.descriptors.ca_passphrase,
                     "read the passphrase of the organisation's key from this file descriptor");
  to.agent.hold_seconds = 300;
  command
      .add_option("--hold-seconds", to.agent.hold_seconds,
                  "how long a share stays unsealed after its last use")
      ->check(CLI::Range(0u, 86'400u))
      ->capture_default_str();
}

void add_organisation(CLI::App& app, Arguments& to) {
  CLI::App& command =
      *app.add_subcommand("organisation", "make a provider's key, which certifies all its agents");
  command.add_option("--out", to.organisation.out, "the new folder")->required();
  command.add_option("--name", to.organisation.name, "what companies see it called")->required();
  command.add_option("--passphrase-fd", to.descriptors.ca_passphrase,
                     "read the passphrase for its key from this file descriptor");
  add_ca_memory_option(command, to.organisation.memory_mib);
}

void add_agent_upkeep(CLI::App& app, Arguments& to) {
  for (CLI::App* const command :
       {app.add_subcommand("invite", "make a further invitation, on the agent's host"),
        app.add_subcommand("renew-tls", "make a new TLS key and certificate, on the agent's host")})
    command->add_option("--dir", to.agent.directory, "the agent's folder")
        ->required()
        ->check(CLI::ExistingDirectory);
}

void add_invited_tenant(CLI::App& app, Arguments& to) {
  app.get_subcommand("invite")->add_option(
      "--tenant", to.invited_tenant, "the only company that the invitation is for, by its tenant's name");
}

void add_approve(CLI::App& app, Arguments& to) {
  CLI::App& command = *app.add_subcommand(
      "approve", "show plans for other holders of a key, and let the agent deal by one, on the agent's host");
  command.add_option("--dir", to.approve.directory, "the agent's folder")
      ->required()
      ->check(CLI::ExistingDirectory);
  auto* plan = command.add_option("plan", to.approve.plan,
                                  "the first 16 digits of the plan's hash, or more; without it all that wait "
                                  "are shown");
  auto* list = command.add_flag("--list", to.approve.list, "show what waits");
  list->excludes(plan);
  command.add_flag("--withdraw", to.approve.withdraw, "take an approval back, until the agent has dealt")
      ->needs(plan);
  command
      .add_flag("--yes", to.approve.yes,
                "do not ask: for scripts that have read the plan, and name it by all 64 digits")
      ->needs(plan);
  command.add_option("--hours", to.approve.hours, "how long the approval is good")
      ->check(CLI::Range(1u, 24u))
      ->capture_default_str();
}

// Options of both commands that make a key.
void add_key_generation(CLI::App& command, Arguments& to, fs::path& cloud_invitation,
                        fs::path& company_invitation) {
  add_invitation_options(command, cloud_invitation, company_invitation);
  command
      .add_option("--purpose", to.purpose,
                  "envelope: for files; derive: raw Diffie-Hellman for other programs")
      ->check(CLI::IsMember({"envelope", "derive"}));
  command.add_option("--suite", to.suite, "the group")
      ->check(CLI::IsMember({"p256", "ffdhe2048", "ffdhe3072", "ffdhe4096"}))
      ->capture_default_str();
  add_secret_options(command, to.descriptors);
}

void add_onboard(CLI::App& app, Arguments& to) {
  CLI::App& command = *app.add_subcommand("onboard", "make a company's key with both agents");
  command.add_option("--tenant", to.onboard.tenant, "the company's name: a-z, 0-9, hyphens")->required();
  command.add_option("--out", to.onboard.out, "the folder for all that results")->required();
  add_key_generation(command, to, to.onboard.cloud_invitation, to.onboard.company_invitation);
  command.add_option("--admin", to.onboard.administrator, "the first administrator's name")
      ->capture_default_str();
  add_ca_memory_option(command, to.onboard.ca_memory_mib);
  command.add_flag("--same-host", to.onboard.same_host, "do not warn that an agent runs on this host");
}

void add_further_key(CLI::App& app, Arguments& to) {
  CLI::App& command = *app.add_subcommand("add-key", "make a further key of an onboarded company");
  command.add_option("name", to.key.name, "what clients' configurations call it: a-z, 0-9, hyphens")
      ->required();
  command.add_option("--dir", to.key.directory, "the folder that onboard made")
      ->required()
      ->check(CLI::ExistingDirectory);
  add_key_generation(command, to, to.key.cloud_invitation, to.key.company_invitation);
  command.get_option("--purpose")->required();
  command.add_flag("--same-host", to.key.same_host, "do not warn that an agent runs on this host");
}

void add_list_base(CLI::App& command, ListBase& to) {
  CLI::Option* const folder = command.add_flag_callback(
      "--as-in-folder", [&to] { to = ListBase::as_in_folder; },
      "change this folder's list, and not a newer one that the agents have: somebody else signed that");
  command
      .add_flag_callback(
          "--as-at-agents", [&to] { to = ListBase::as_at_agents; },
          "change the agents' list, although it names this folder's administrator or a "
          "recovery administrator no longer")
      ->excludes(folder);
}

void add_clients(CLI::App& app, Arguments& to) {
  CLI::App& add = *app.add_subcommand("add-client", "enrol a person or program at both agents");
  add.add_option("name", to.add.name, "the client's name")->required();
  add.add_option("--dir", to.add.directory, "the folder that onboard made")
      ->required()
      ->check(CLI::ExistingDirectory);
  add.add_option("--out", to.add.out, "the client's new folder")->required();
  add.add_option("--role", to.role, "user or admin")
      ->check(CLI::IsMember({"user", "admin"}))
      ->capture_default_str();
  add.add_option("--group", to.add.groups, "a group that the client is in; may be repeated")
      ->expected(1)
      ->take_all();
  add.add_option("--days", to.add.days, "how long the certificate is valid")
      ->check(CLI::Range(1u, 90u))
      ->capture_default_str();
  add.add_flag("--replace", to.add.replace,
               "give a client that is enrolled a new key and refuse the old one");
  add_list_base(add, to.add.base);
  add.add_option("--ca-passphrase-fd", to.descriptors.ca_passphrase,
                 "read the client CA's passphrase from this file descriptor");

  CLI::App& remove = *app.add_subcommand("remove-client", "have both agents refuse a client from now on");
  remove.add_option("name", to.remove.name, "the client's name, or its whole URI")->required();
  remove.add_option("--dir", to.remove.directory, "the folder that onboard made")
      ->required()
      ->check(CLI::ExistingDirectory);
  remove.add_flag("--without-recovery", to.remove.without_recovery,
                  "remove the recovery administrator without asking: kit and code open nothing then");
  add_list_base(remove, to.remove.base);
  remove.add_option("--ca-passphrase-fd", to.descriptors.ca_passphrase,
                    "read the client CA's passphrase from this file descriptor");
}

void add_log(CLI::App& app, Arguments& to) {
  CLI::App& command = *app.add_subcommand("log", "show and verify what the agents recorded");
  auto* directory =
      command
          .add_option("--dir", to.log_directory, "the folder that onboard made: asks as its administrator")
          ->check(CLI::ExistingDirectory);
  command.add_option("--config", to.log.config, "an administrator's config.toml")
      ->check(CLI::ExistingFile)
      ->excludes(directory);
  command.add_option("--party", to.log.party, "one agent only")->check(CLI::IsMember({"cloud", "company"}));
  command.add_flag("--json", to.log.json, "a JSON object on each line");
  command
      .add_option("--archive", to.log.archives,
                  "an archive that archive-log made, to be verified and shown with the log; may be repeated")
      ->check(CLI::ExistingFile);
}

Status run_init_agent(AgentSetup setup, const fs::path& organisation_folder, const Operator& person,
                      Random& random) {
  std::optional<Organisation> organisation;
  if (!organisation_folder.empty()) {
    auto opened = open_organisation(organisation_folder, person);
    if (!opened) return std::move(opened).error();
    setup.organisation = &organisation.emplace(*std::move(opened));
  }
  setup.companys = setup.role == "company" || setup.role.starts_with("company-");
  const auto token = init_agent(setup, now_ms(), random);
  if (!token) return token.error();
  const auto fingerprints = fingerprints_in(setup.directory);
  if (!fingerprints) return fingerprints.error();
  const std::string folder = setup.directory.string();
  std::cout << "made \"" << folder << "\"\n"
            << "  its token     " << *token << "\n"
            << "  start it      coprotect-agent --config " << folder << "/agent.toml\n"
            << "  hand over     " << folder
            << "/invitation, in secret, within 24 hours: it admits the company's administrator to onboard\n"
            << *fingerprints;
  return Done{};
}

Status run_invite(const AgentSetup& setup, const std::string& tenant, Random& random) {
  const AsOwner as_owner(setup.directory);
  auto agent = AgentIdentity::open(setup.directory, setup.token_helper);
  if (!agent) return std::move(agent).error();
  if (auto made = write_invitation(setup.directory, *agent, now_ms(), random, tenant); !made) return made;
  const auto fingerprints = fingerprints_in(setup.directory);
  if (!fingerprints) return fingerprints.error();
  std::cout << "made \"" << (setup.directory / "invitation").string()
            << "\": hand it over in secret, within 24 hours\n"
            << *fingerprints;
  return Done{};
}

Status run_renew_tls(const AgentSetup& setup, Random& random) {
  const AsOwner as_owner(setup.directory);
  auto agent = AgentIdentity::open(setup.directory, setup.token_helper);
  if (!agent) return std::move(agent).error();
  auto made = write_tls(setup.directory, *agent, now_ms(), random);
  if (made)
    std::cout << "made \"" << (setup.directory / "tls.pem").string() << "\": reload or restart the agent\n";
  return made;
}

// The command line accepts only these two.
protocol::Purpose purpose_named(std::string_view name) {
  return name == "derive" ? protocol::Purpose::derive : protocol::Purpose::envelope;
}

Status run(const CLI::App& app, Arguments& arguments, Random& random) {
  const Operator person(arguments.descriptors);
  arguments.agent.token_helper = token_helper();
  if (app.got_subcommand("init-agent"))
    return run_init_agent(arguments.agent, arguments.organisation_folder, person, random);
  if (app.got_subcommand("organisation"))
    return make_organisation(arguments.organisation, person, now_ms(), random);
  if (app.got_subcommand("approve")) {
    arguments.approve.token_helper = token_helper();
    return approve(arguments.approve, person, now_ms());
  }
  if (app.got_subcommand("invite")) return run_invite(arguments.agent, arguments.invited_tenant, random);
  if (app.got_subcommand("renew-tls")) return run_renew_tls(arguments.agent, random);
  if (app.got_subcommand("onboard")) {
    auto suite = protocol::suite_by_name(arguments.suite);
    if (!suite) return std::move(suite).error();
    arguments.onboard.suite = *suite;
    arguments.onboard.purpose = purpose_named(arguments.purpose);
    return onboard(arguments.onboard, person, now_ms(), random);
  }
  if (app.got_subcommand("add-key")) {
    auto suite = protocol::suite_by_name(arguments.suite);
    if (!suite) return std::move(suite).error();
    arguments.key.suite = *suite;
    arguments.key.purpose = purpose_named(arguments.purpose);
    return add_key(arguments.key, person, now_ms(), random);
  }
  if (auto ran = arguments.keys.run(app, person, random)) return *std::move(ran);
  if (app.got_subcommand("add-client")) {
    arguments.add.role = arguments.role == "admin" ? protocol::Role::admin : protocol::Role::user;
    return add_client(arguments.add, person, now_ms(), random);
  }
  if (app.got_subcommand("remove-client")) return remove_client(arguments.remove, person, now_ms(), random);
  if (auto done = run_handover_command(app, arguments.handover, person, now_ms(), random))
    return *std::move(done);
  if (!arguments.log_directory.empty())
    arguments.log.config = arguments.log_directory / "admin" / "config.toml";
  return show_log(arguments.log, random);
}

}  // namespace

Exit run_command_line(int argc, const char* const* argv) {
  CLI::App app("makes agents, keys and clients of CoProtect", "coprotect-provision");
  app.footer(
      "On each agent's host:   coprotect-provision init-agent --dir /var/lib/coprotect --role cloud --url "
      "https://agent:8443 --token tpm:device:/dev/tpmrm0\n"
      "At the company:         coprotect-provision onboard --tenant acme --out acme --cloud-invitation A "
      "--company-invitation B\n"
      "                        coprotect-provision add-client alice --dir acme --out alice\n"
      "                        coprotect-provision add-key mail --purpose derive --dir acme "
      "--cloud-invitation A --company-invitation B\n"
      "                        coprotect-provision rotate --dir acme --cloud-invitation A "
      "--company-invitation "
      "B\n"
      "                        coprotect-provision key-state acme disabled --dir acme\n"
      "Exit status: 0 done, 1 failed, 2 usage, 3 refused, 4 agent unreachable, 5 altered, 6 not yet allowed, "
      "7 wrong code or "
      "passphrase");
  app.set_version_flag("--version", "coprotect-provision " COPROTECT_VERSION);
  app.require_subcommand(0, 1);
  Arguments arguments;
  add_init_agent(app, arguments);
  add_organisation(app, arguments);
  add_approve(app, arguments);
  add_agent_upkeep(app, arguments);
  add_invited_tenant(app, arguments);
  add_onboard(app, arguments);
  add_further_key(app, arguments);
  arguments.keys.add_to(app, arguments.descriptors);
  add_clients(app, arguments);
  add_log(app, arguments);
  add_handover_commands(app, arguments.handover, arguments.descriptors);
  add_upkeep(app, arguments.upkeep, arguments.descriptors);
  try {
    app.parse(argc, argv);
    if (app.got_subcommand("log") && arguments.log_directory.empty() && arguments.log.config.empty())
      throw CLI::RequiredError("--dir or --config");
    if (app.got_subcommand("drill") && arguments.upkeep.drill.out.empty() && !arguments.upkeep.verify)
      throw CLI::RequiredError("--out or --verify");
  } catch (const CLI::ParseError& error) {
    // --help is also a ParseError, with status 0.
    return app.exit(error) == 0 ? Exit::done : Exit::usage;
  }
  if (app.get_subcommands().empty()) {
    std::cout << app.help();
    return Exit::usage;
  }
  const auto upkeep =
      run_upkeep(app, arguments.upkeep, Operator(arguments.descriptors), token_helper(), system_random());
  if (upkeep) return *upkeep;
  const auto status = run(app, arguments, system_random());
  return status ? Exit::done : report(status.error());
}

}  // namespace coprotect::provisioning
