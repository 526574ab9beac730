#include "provisioning/cli_upkeep.h"

#include <iostream>

#include "provisioning/clock.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

void add_backup(CLI::App& app, UpkeepArguments& to) {
  CLI::App& backup =
      *app.add_subcommand("backup", "copy an agent's folder while it runs, on the agent's host");
  backup.add_option("--dir", to.backup.directory, "the agent's folder")
      ->required()
      ->check(CLI::ExistingDirectory);
  backup.add_option("--out", to.backup.out, "the new folder for the copy")->required();

  CLI::App& restore =
      *app.add_subcommand("restore-backup", "make an agent's folder from a backup, on the agent's host");
  restore.add_option("--from", to.restore.from, "the folder that backup made")
      ->required()
      ->check(CLI::ExistingDirectory);
  restore.add_option("--dir", to.restore.directory, "the agent's folder")->required();
}

void add_hold_erasure(CLI::App& app, UpkeepArguments& to) {
  CLI::App& command = *app.add_subcommand(
      "hold-erasure", "keep an agent from erasing the shares of a destroyed key, on the agent's host");
  command.add_option("--dir", to.hold.directory, "the agent's folder")
      ->required()
      ->check(CLI::ExistingDirectory);
  auto* key = command.add_option("key", to.hold.key,
                                 "the first 16 digits of its key_id, or more; without it all keys are shown");
  auto* release = command.add_flag("--release", to.hold.release, "let the erasure go on")->needs(key);
  command.add_flag("--yes", to.hold.yes, "do not ask")->needs(release);
}

void add_archive_log(CLI::App& app, UpkeepArguments& to) {
  CLI::App& command = *app.add_subcommand(
      "archive-log", "move the old entries of an agent's log to an archive, on the agent's host");
  command.add_option("--dir", to.archive.directory, "the agent's folder")
      ->required()
      ->check(CLI::ExistingDirectory);
  auto* older =
      command.add_option("--older-than", to.archive.older_than,
                         "in days, how old entries are to be; without it the command shows where the "
                         "log begins");
  auto* file = command.add_option("--to", to.archive.to, "the new file for the archive")->needs(older);
  older->needs(file);
  command
      .add_flag("--without-others", to.archive.unheard,
                "do not wait until the other agents were heard: for when one of them is gone for good")
      ->needs(older);
}

void add_repair_log(CLI::App& app, UpkeepArguments& to) {
  CLI::App& command = *app.add_subcommand(
      "repair-log", "bring back entries that rotted in an agent's log, on the agent's host");
  command.add_option("--dir", to.repair.directory, "the agent's folder")
      ->required()
      ->check(CLI::ExistingDirectory);
  command.add_option("--from", to.repair.from, "the folder that backup made")
      ->required()
      ->check(CLI::ExistingDirectory);
}

void add_drill(CLI::App& app, UpkeepArguments& to, Operator::Descriptors& descriptors) {
  CLI::App& drill =
      *app.add_subcommand("drill", "open a canary through every quorum, and keep evidence of it");
  drill.add_option("--dir", to.drill.directory, "the folder that onboard made")
      ->required()
      ->check(CLI::ExistingDirectory);
  drill.add_option("--key", to.drill.key, "a further key, by its name");
  drill.add_option("--kit", to.drill.kit, "the recovery kit to open; not needed with --verify")
      ->check(CLI::ExistingFile);
  drill.add_option("--renew-kit", to.drill.renewed_kit,
                   "where to write the kit with a certificate that is valid for five more years");
  auto* out = drill.add_option("--out", to.drill.out, "the folder for the evidence");
  drill
      .add_option("--purpose", to.drill.purpose,
                  "of a derive key: what the agents are told that the secret is for")
      ->capture_default_str();
  drill.add_option("--code-fd", descriptors.code, "read the recovery code from this file descriptor");
  drill.add_option("--verify", to.verify, "check evidence of an earlier drill instead")
      ->check(CLI::ExistingFile)
      ->excludes(out);
}

Exit exit_of(const Status& status) {
  return status ? Exit::done : report(status.error());
}

}  // namespace

void add_upkeep(CLI::App& app, UpkeepArguments& to, Operator::Descriptors& descriptors) {
  add_backup(app, to);
  add_hold_erasure(app, to);
  add_archive_log(app, to);
  add_repair_log(app, to);
  add_drill(app, to, descriptors);
}

std::optional<Exit> run_upkeep(const CLI::App& app, UpkeepArguments& arguments, const Operator& person,
                               const std::filesystem::path& token_helper, Random& random) {
  if (app.got_subcommand("backup")) {
    auto done = back_up(arguments.backup);
    if (done)
      std::cout << "made \"" << arguments.backup.out.string() << "\": of use with the agent's token only\n";
    return exit_of(done);
  }
  if (app.got_subcommand("restore-backup")) {
    arguments.restore.token_helper = token_helper;
    auto done = restore_backup(arguments.restore, now_ms(), random);
    if (done)
      std::cout << "made \"" << arguments.restore.directory.string()
                << "\" from the backup\n  never         start it while the agent that was saved runs: the "
                   "first of both that erases "
                   "shares destroys the other's, of all keys\n  start it      it serves once another agent "
                   "told it what it lacks; if "
                   "none is left: coprotect-agent --accept-restored\n";
    return exit_of(done);
  }
  if (app.got_subcommand("hold-erasure")) {
    arguments.hold.token_helper = token_helper;
    return exit_of(hold_erasure(arguments.hold, person, now_ms()));
  }
  if (app.got_subcommand("archive-log")) {
    arguments.archive.token_helper = token_helper;
    return exit_of(archive_log(arguments.archive, now_ms()));
  }
  if (app.got_subcommand("repair-log")) {
    arguments.repair.token_helper = token_helper;
    return exit_of(repair_log(arguments.repair));
  }
  if (!app.got_subcommand("drill")) return std::nullopt;
  if (arguments.verify) return exit_of(verify_drill(*arguments.verify, arguments.drill.directory));
  auto done = drill(arguments.drill, person, now_ms(), random);
  return done ? *done : report(done.error());
}

}  // namespace coprotect::provisioning
