#include "client/cli/encrypt.h"

#include <unistd.h>

#include "client/cli/encrypting_key.h"
#include "client/cli/misnamed.h"
#include "client/cli/plan.h"
#include "client/cli/read_files.h"
#include "client/files/encrypted_file.h"
#include "client/files/small_file.h"
#include "protocol/file/policy.h"

namespace coprotect::client {
namespace {

// Accepts "alice", or in full "coprotect:acme:user:alice".
std::vector<std::string> full_uris(const std::vector<std::string>& names, const protocol::Bundle& bundle,
                                   const std::string& kind) {
  std::vector<std::string> uris;
  for (const std::string& name : names) {
    const bool full = name.find(':') != std::string::npos;
    uris.push_back(full ? name : "coprotect:" + bundle.tenant() + ":" + kind + ":" + name);
  }
  return uris;
}

// The bytes of the policy for each header.
Result<Bytes> find_policy(const Options& options, const protocol::Bundle& bundle) {
  if (options.policy) {
    auto bytes = read_small_file(*options.policy, protocol::kMaxPolicySize);
    if (!bytes) return std::move(bytes).error().in("policy");
    const auto policy = protocol::Policy::parse(*bytes);
    if (!policy) return Error(policy.error()).in("\"" + *options.policy + "\"");
    return bytes;
  }
  if (options.allow_users.empty() && options.allow_groups.empty()) return Bytes{};
  protocol::Policy::Draft draft;
  draft.allow.users = full_uris(options.allow_users, bundle, "user");
  draft.allow.groups = full_uris(options.allow_groups, bundle, "group");
  return protocol::Policy::write(draft);
}

Status encrypt_one(const Job& job, const protocol::Bundle& bundle, const Bytes& policy, bool force,
                   const ReadFiles& read, Progress& progress) {
  if (auto other = read.check_output(job); !other) return other;
  auto input = open_input(job);
  if (!input) return std::move(input).error();
  auto target = open_target(job, force, *input);
  if (!target) return std::move(target).error();
  const auto made = protocol::Header::create(bundle.public_key(), bundle.key_id(), policy, system_random());
  if (!made) return made.error();
  const auto& [header, file_key] = *made;
  return write_encrypted(*input, header, file_key, *target, progress);
}

}  // namespace

ExitCode encrypt(const Options& options, Report& report) {
  const auto usage = [&report](const Error& error) {
    report.failed(error, ExitCode::usage);
    return ExitCode::usage;
  };
  auto plan = make_plan(Direction::seal, options.inputs, options.recursive, options.output);
  if (!plan) return usage(plan.error());
  const auto config = find_config(options);
  if (!config) return usage(config.error());
  const auto bundle = encrypting_key(options, *config);
  if (!bundle) {
    report.failed(bundle.error(), exit_code_of_bundle(bundle.error().code()));
    if (bundle.error().code() == Code::not_found) report.hint("name the company's bundle with --bundle FILE");
    return report.exit_code();
  }
  const auto policy = find_policy(options, *bundle);
  if (!policy) return usage(policy.error());

  Progress progress(plan->input_size, !options.json && isatty(2) == 1);
  report.set_progress(&progress);
  fail_misnamed(*plan, Direction::seal, report);
  report_left_out(*plan, report);
  const ReadFiles read(options, *plan);
  for (const Job& job : plan->jobs) {
    if (const auto done = encrypt_one(job, *bundle, *policy, options.force, read, progress)) {
      report.done(job.name(), job.output_name());
    } else {
      report.failed(job.name(), done.error(), exit_code_of_file(done.error().code()));
    }
  }
  report.set_progress(nullptr);
  return report.exit_code();
}

}  // namespace coprotect::client
