#include "provisioning/key_commands.h"

#include "provisioning/clock.h"

namespace coprotect::provisioning {
namespace {

void add_directory(CLI::App& command, std::filesystem::path& directory) {
  command.add_option("--dir", directory, "the folder that onboard made")
      ->required()
      ->check(CLI::ExistingDirectory);
}

}  // namespace

void add_invitation_options(CLI::App& command, std::filesystem::path& cloud, std::filesystem::path& company) {
  command.add_option("--cloud-invitation", cloud, "the file from the cloud agent's operator")
      ->required()
      ->check(CLI::ExistingFile);
  command.add_option("--company-invitation", company, "the file from the company agent's operator")
      ->required()
      ->check(CLI::ExistingFile);
}

void add_passphrase_option(CLI::App& command, Operator::Descriptors& descriptors) {
  command.add_option("--ca-passphrase-fd", descriptors.ca_passphrase,
                     "read the client CA's passphrase from this file descriptor");
}

void add_ca_memory_option(CLI::App& command, std::uint32_t& memory_mib) {
  command
      .add_option(
          "--ca-memory", memory_mib,
          "MiB of memory that each try of the client CA's passphrase takes; less than the default only "
          "for a passphrase that nobody can guess")
      ->check(CLI::Range(8u, 2'048u))
      ->capture_default_str();
}

void add_secret_options(CLI::App& command, Operator::Descriptors& descriptors) {
  command.add_option("--show-code-fd", descriptors.show_code,
                     "write the recovery code to this file descriptor");
  command.add_option("--code-fd", descriptors.code, "read the retyped code from this file descriptor");
  add_passphrase_option(command, descriptors);
}

void KeyCommands::add_rotate(CLI::App& app, Operator::Descriptors& descriptors) {
  CLI::App& command =
      *app.add_subcommand("rotate", "make a new key that encrypts from now on; the one before only decrypts");
  add_directory(command, rotate_.directory);
  add_invitation_options(command, rotate_.cloud_invitation, rotate_.company_invitation);
  command.add_option("--name", rotate_.name, "what the new key is called; else rotation-1, rotation-2, …");
  command.add_option("--suite", suite_, "the group; else that of the first key, which rewrap needs")
      ->check(CLI::IsMember({"p256", "ffdhe2048", "ffdhe3072", "ffdhe4096"}));
  command.add_flag("--same-host", rotate_.same_host, "do not warn that an agent runs on this host");
  add_secret_options(command, descriptors);
}

void KeyCommands::add_key_state(CLI::App& app, Operator::Descriptors& descriptors) {
  CLI::App& command = *app.add_subcommand("key-state", "say what a key may be used for from now on");
  command.add_option("key", state_.key, "its name or key_id; the first key has the company's name")
      ->required();
  command
      .add_option("state", use_,
                  "encrypts: the one for new files; decrypt-only; disabled: refused until this is changed; "
                  "destroyed: refused, and its shares are erased after the waiting time")
      ->required()
      ->check(CLI::IsMember({"encrypts", "decrypt-only", "disabled", "destroyed"}));
  add_directory(command, state_.directory);
  command
      .add_option("--files", state_.files,
                  "files and folders: look there for what nobody could open any more (destroyed)")
      ->check(CLI::ExistingDirectory);
  command
      .add_option(
          "--wait", wait_seconds_,
          "time until the shares are erased, like 30d, 12h or 90s; each agent has a least (destroyed; "
          "else 30d)")
      ->transform(CLI::AsNumberWithUnit(
          std::map<std::string, std::uint64_t>{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}},
          CLI::AsNumberWithUnit::UNIT_REQUIRED))
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{3650} * 86'400));
  command.add_flag("--plan", state_.plan, "say what would change, and change nothing");
  command.add_flag("--yes", state_.yes, "do not ask for the key_id to be typed (destroyed)");
  command.add_flag("--drop-unknown", state_.drop_unknown,
                   "take keys off the list that this folder did not make; an agent that has one refuses");
  command.add_option("--key-id-fd", descriptors.key_id, "read the typed key_id from this file descriptor");
  add_passphrase_option(command, descriptors);
}

void KeyCommands::add_to(CLI::App& app, Operator::Descriptors& descriptors) {
  add_rotate(app, descriptors);
  add_key_state(app, descriptors);
  CLI::App& show = *app.add_subcommand("keys", "show the company's keys and their states");
  add_directory(show, show_.directory);
  show.add_flag("--json", show_.json, "a JSON object on each line");
}

std::optional<Status> KeyCommands::run(const CLI::App& app, const Operator& person, Random& random) {
  if (app.got_subcommand("keys")) return show_keys(show_, now_ms(), random);
  if (app.got_subcommand("rotate")) {
    if (!suite_.empty()) {
      auto suite = protocol::suite_by_name(suite_);
      if (!suite) return Status(std::move(suite).error());
      rotate_.suite = *suite;
    }
    return rotate(rotate_, person, now_ms(), random);
  }
  if (!app.got_subcommand("key-state")) return std::nullopt;
  state_.use = *protocol::key_use_named(use_);
  if (app.get_subcommand("key-state")->count("--wait") > 0) state_.wait = std::chrono::seconds(wait_seconds_);
  return set_key_state(state_, person, now_ms(), random);
}

}  // namespace coprotect::provisioning
