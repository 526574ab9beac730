// coprotect: encrypts files for a company, and decrypts them with its agents.

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "client/cli/decrypt.h"
#include "client/cli/encrypt.h"
#include "client/cli/inspect.h"
#include "client/cli/public_key.h"
#include "client/cli/rewrap.h"
#include "client/cli/update.h"
#include "protocol/base/arena.h"
#include "protocol/base/text.h"

namespace coprotect::client {
namespace {

constexpr const char* kAbout =
    "coprotect encrypts files so that they open only when the company's and the cloud's agent both agree\n\n"
    "  coprotect encrypt report.pdf        makes report.pdf.cop; needs no network\n"
    "  coprotect decrypt report.pdf.cop    makes report.pdf; both agents are asked\n"
    "  coprotect update                    learns of the company's new keys\n"
    "  coprotect rewrap -r folder          gives the files in it the newest key";

constexpr const char* kExitCodes =
    "exit codes: 0 done, 1 some failed, 2 usage, 3 refused, 4 agent unreachable, 5 file altered, "
    "6 approval pending, 7 wrong code";

// Options of commands that ask the agents to open files.
void add_opening(CLI::App& command, Options& options) {
  command.add_option("--reason", options.reason, "why; the agents record it");
  command.add_option("--via", options.via,
                     "parallel: ask each agent; chain, chain:PARTY: ask one, which asks the others");
  CLI::Option* const recover =
      command.add_flag("--recover", options.recover, "with the recovery code and any one agent");
  command
      .add_option("--kit", options.kit, "recovery kit; without it an agent is asked for the recovery share")
      ->needs(recover);
  command.add_option("--code-fd", options.code_fd, "read the code from this descriptor, not the terminal")
      ->needs(recover);
}

// Options of all commands.
void add_common(CLI::App& command, Options& options) {
  command.add_option("file", options.inputs, "files, folders (with -r), or - for standard input")->required();
  command.add_option("--bundle", options.bundle, "the company's bundle, instead of the configured one");
  command.add_option("--key-id", options.key_id, "the only key to accept, instead of the configured one");
  command.add_option("--config", options.config, "configuration (else $COPROTECT_CONFIG)");
  command.add_flag("--json", options.json, "a line of JSON for each file");
}

void add_output(CLI::App& command, Options& options) {
  command.add_option("-o,--output", options.output, "output: a file, a folder, or - for standard output");
  command.add_flag("-r,--recursive", options.recursive, "work on folders; the tree is mirrored");
  command.add_flag("--force", options.force, "replace existing files");
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app(kAbout);
  app.footer(kExitCodes);
  app.set_version_flag("--version", "coprotect " COPROTECT_VERSION);
  app.require_subcommand(0, 1);

  CLI::App& encrypt_command = *app.add_subcommand("encrypt", "encrypt files; nobody is asked");
  add_common(encrypt_command, options);
  add_output(encrypt_command, options);
  CLI::Option* const policy =
      encrypt_command.add_option("--policy", options.policy, "who may do what and when (JSON)");
  encrypt_command.add_option("--allow-user", options.allow_users, "a user who may open it; may be repeated")
      ->expected(1)
      ->take_all()
      ->excludes(policy);
  encrypt_command
      .add_option("--allow-group", options.allow_groups, "a group that may open it; may be repeated")
      ->expected(1)
      ->take_all()
      ->excludes(policy);

  CLI::App& decrypt_command = *app.add_subcommand("decrypt", "decrypt files; the agents are asked");
  add_common(decrypt_command, options);
  add_output(decrypt_command, options);
  add_opening(decrypt_command, options);
  decrypt_command.add_flag("--resume", options.resume,
                           "go on with a run that was interrupted: skip files whose output is there");
  decrypt_command.add_option("--report", options.report,
                             "add a line of JSON for each file, and a summary, to this file");

  CLI::App& rewrap_command = *app.add_subcommand(
      "rewrap", "give encrypted files another key, the newest one; their content is not touched");
  add_common(rewrap_command, options);
  add_opening(rewrap_command, options);
  rewrap_command.add_flag("-r,--recursive", options.recursive, "work on all encrypted files in folders");
  rewrap_command.add_option("--to", options.to, "the key to give: its name in the configuration, or key_id");
  rewrap_command.add_flag("--keep-old", options.keep_old, "the keys that the files have stay beside it");

  CLI::App& update_command = *app.add_subcommand("update", "ask the agents which keys the company has now");
  update_command.add_option("--config", options.config, "configuration (else $COPROTECT_CONFIG)");
  update_command.add_flag("--json", options.json, "as a line of JSON");

  CLI::App& inspect_command = *app.add_subcommand("inspect", "show what files say about themselves");
  add_common(inspect_command, options);

  CLI::App& public_key_command =
      *app.add_subcommand("public-key", "write a key's public half in PEM, for a CA that certifies it");
  public_key_command.add_option("key", options.key_name, "its name in the configuration; else the first one");
  public_key_command.add_option("--config", options.config, "configuration (else $COPROTECT_CONFIG)");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  Report report(options.json);
  const auto refuse = [&report](const char* what) {
    report.failed(Error(Code::malformed, what), ExitCode::usage);
    return static_cast<int>(ExitCode::usage);
  };
  const bool to_stdout =
      options.output == "-" || (options.inputs == std::vector<std::string>{"-"} && !options.output);
  if (options.json && to_stdout && (encrypt_command.parsed() || decrypt_command.parsed()))
    return refuse("--json and content both go to standard output");
  if (options.reason.size() > 255 || !valid_utf8(options.reason))
    return refuse("--reason is longer than 255 bytes");
  if (encrypt_command.parsed()) return static_cast<int>(encrypt(options, report));
  if (decrypt_command.parsed()) return static_cast<int>(decrypt(options, report));
  if (rewrap_command.parsed()) return static_cast<int>(rewrap(options, report));
  if (update_command.parsed()) return static_cast<int>(update(options, report));
  if (inspect_command.parsed()) return static_cast<int>(inspect(options, report));
  if (public_key_command.parsed()) return static_cast<int>(write_public_key(options, report));
  std::cout << app.help();
  return static_cast<int>(ExitCode::usage);
}

}  // namespace
}  // namespace coprotect::client

int main(int argc, char** argv) {
  // A pipe without a reader, and a limit on file sizes, then appear as errors of write(2).
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const auto installed = coprotect::locked_memory::install();
  if (!installed) {
    std::cerr << "coprotect: error: " << installed.error().message() << std::endl;
    return static_cast<int>(coprotect::client::ExitCode::some_failed);
  }
  try {
    const int code = coprotect::client::run(argc, argv);
    if (std::cout.flush()) return code;
    std::cerr << "coprotect: error: standard output cannot be written: what it has is not all" << std::endl;
    return code == 0 ? static_cast<int>(coprotect::client::ExitCode::some_failed) : code;
  } catch (const std::exception& error) {
    std::cerr << "coprotect: error: " << error.what() << std::endl;
    return static_cast<int>(coprotect::client::ExitCode::some_failed);
  }
}
