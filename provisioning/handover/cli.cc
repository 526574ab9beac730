#include "provisioning/handover/cli.h"

#include "provisioning/handover/oversight.h"
#include "provisioning/handover/refresh.h"
#include "provisioning/key_commands.h"

namespace coprotect::provisioning {
namespace {

void add_key_options(CLI::App& command, KeyOptions& to) {
  command.add_option("--dir", to.directory, "the folder that onboard made")
      ->required()
      ->check(CLI::ExistingDirectory);
  command.add_option("--key", to.key, "a further key's name; without it the first key is meant");
}

void add_plan(CLI::App& command, bool& plan_only) {
  command.add_flag("--plan", plan_only, "say what would change, and change nothing");
}

void add_wait(CLI::App& command, unsigned& seconds) {
  command
      .add_option("--wait", seconds, "how many seconds the operators of the agents that deal have to approve")
      ->check(CLI::Range(0u, 86'400u))
      ->capture_default_str();
}

void add_allow_quorum(CLI::App& command, std::string& words) {
  command.add_option(
      "--allow-quorum", words,
      "the sentence that lets organisations use the key that cannot use it today, word for word "
      "as the refusal states it");
}

void add_code_descriptor(CLI::App& command, Operator::Descriptors& descriptors) {
  command.add_option("--code-fd", descriptors.code, "read the recovery code from this file descriptor");
}

void add_refresh(CLI::App& app, HandoverArguments& to) {
  CLI::App& command = *app.add_subcommand("refresh", "give all holders of a key new shares of it");
  add_key_options(command, to.key);
  add_plan(command, to.key.plan_only);
}

void add_new_code(CLI::App& app, HandoverArguments& to, Operator::Descriptors& descriptors) {
  CLI::App& command =
      *app.add_subcommand("new-code", "make a new recovery code, whether the old one is known or not");
  add_key_options(command, to.key);
  add_plan(command, to.key.plan_only);
  add_wait(command, to.key.wait_seconds);
  command.add_option("--show-code-fd", descriptors.show_code, "write the new code to this file descriptor");
  add_code_descriptor(command, descriptors);
  command.add_option("--ca-passphrase-fd", descriptors.ca_passphrase,
                     "read the client CA's passphrase from this file descriptor");
}

void add_restore(CLI::App& app, HandoverArguments& to, Operator::Descriptors& descriptors) {
  CLI::App& command =
      *app.add_subcommand("restore", "put a new agent in the place of a lost one, from kit and code alone");
  command.add_option("--kit", to.restore.kit, "the recovery kit")->required()->check(CLI::ExistingFile);
  command.add_option("--invitation", to.restore.invitation, "of the new agent, of the lost one's role")
      ->required()
      ->check(CLI::ExistingFile);
  auto* out = command.add_option("--out", to.restore.out, "the folder for all that results");
  command
      .add_option("--dir", to.restore.directory,
                  "in its place, for a further key: the folder that the restore of the first one left")
      ->check(CLI::ExistingDirectory)
      ->excludes(out);
  command.add_option("--key", to.restore.key,
                     "with --dir: the further key's name, if the kit does not say it");
  command
      .add_option("--ca-kit", to.restore.ca_kit,
                  "a kit with the client CA's key, if --kit has none; its key may be disabled or destroyed")
      ->check(CLI::ExistingFile);
  command.add_option("--ca-code-fd", descriptors.ca_code,
                     "read the code of --ca-kit from this file descriptor");
  command.add_option("--keep-clients", to.restore.lists.keep_clients,
                     "keep the clients enrolled of the client list with this serial number, as it is shown");
  command.add_option("--key-list", to.restore.lists.key_list,
                     "the serial number of the key list that counts, as it is shown; 0 if there is none");
  command.add_option("--admin", to.restore.administrator, "the new administrator's name")
      ->capture_default_str();
  command.add_flag("--wait", to.restore.wait, "wait until the other agents allow it");
  add_plan(command, to.restore.plan_only);
  add_allow_quorum(command, to.restore.allow_quorum);
  add_code_descriptor(command, descriptors);
  command.add_option(
      "--ca-passphrase-fd", descriptors.ca_passphrase,
      "read a new passphrase for the client CA's key, or with --dir the present one, from this "
      "file descriptor");
  add_ca_memory_option(command, to.restore.ca_memory_mib);
}

void add_reshare(CLI::App& app, HandoverArguments& to, Operator::Descriptors& descriptors) {
  CLI::App& command =
      *app.add_subcommand("reshare", "hand a key over to other agents, or change the threshold");
  add_key_options(command, to.reshare);
  add_plan(command, to.reshare.plan_only);
  add_allow_quorum(command, to.reshare.allow_quorum);
  command
      .add_option(
          "--invitation", to.reshare.invitations,
          "of an agent that joins, in the place of a holder of its name or after the others; one for each")
      ->expected(1)
      ->take_all()
      ->check(CLI::ExistingFile);
  command
      .add_option("--our-agent", to.reshare.our_agents,
                  "the name of an agent that joins and is the company's own: the client CA certifies it")
      ->expected(1)
      ->take_all();
  command.add_option("--leave", to.reshare.leave, "the name of an agent that is to hold no share any more")
      ->expected(1)
      ->take_all();
  add_wait(command, to.reshare.wait_seconds);
  command.add_option("--threshold", to.reshare.threshold, "how many shares are to be needed")
      ->check(CLI::Range(2, 16));
  command
      .add_option("--kit", to.reshare.kit,
                  "the recovery kit, whose share deals in the place of who leaves or is gone")
      ->check(CLI::ExistingFile);
  command.add_option("--ca-passphrase-fd", descriptors.ca_passphrase,
                     "read the client CA's passphrase from this file descriptor, if an agent of the "
                     "company's joins");
  add_code_descriptor(command, descriptors);
}

void add_oversight(CLI::App& app, HandoverArguments& to) {
  add_key_options(
      *app.add_subcommand("holders", "show who holds a key, what is unfinished, what is announced"), to.key);
  CLI::App& veto = *app.add_subcommand("veto", "object to new holders that were announced");
  add_key_options(veto, to.key);
  veto.add_option("notice", to.notice, "the digits that holders shows, if several changes are announced");
  add_key_options(*app.add_subcommand("abort", "take back a change of holders that was not finished"),
                  to.key);
}

}  // namespace

void add_handover_commands(CLI::App& app, HandoverArguments& to, Operator::Descriptors& descriptors) {
  add_refresh(app, to);
  add_new_code(app, to, descriptors);
  add_restore(app, to, descriptors);
  add_reshare(app, to, descriptors);
  add_oversight(app, to);
}

std::optional<Status> run_handover_command(const CLI::App& app, HandoverArguments& arguments,
                                           const Operator& person, std::int64_t now_ms, Random& random) {
  if (app.got_subcommand("refresh")) return refresh(arguments.key, person, random);
  if (app.got_subcommand("new-code")) return new_code(arguments.key, person, now_ms, random);
  if (app.got_subcommand("restore")) return restore(arguments.restore, person, now_ms, random);
  if (app.got_subcommand("reshare")) return reshare(arguments.reshare, person, now_ms, random);
  if (app.got_subcommand("holders")) return show_holders(arguments.key, random);
  if (app.got_subcommand("veto")) return veto(arguments.key, arguments.notice, random);
  if (app.got_subcommand("abort")) return abort_unfinished(arguments.key, person, random);
  return std::nullopt;
}

}  // namespace coprotect::provisioning
