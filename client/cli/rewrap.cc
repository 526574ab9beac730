#include "client/cli/rewrap.h"

#include <unistd.h>

#include "client/cli/batches.h"
#include "client/cli/encrypting_key.h"
#include "client/files/encrypted_file.h"
#include "client/files/header_replacement.h"
#include "protocol/file/rewrap.h"

namespace coprotect::client {
namespace {

using protocol::Bundle;
using protocol::KeyId;

class Rewrapping {
 public:
  Rewrapping(Openings& openings, const Bundle& target, bool keep_old, Report& report, Progress& progress)
      : openings_(openings), target_(target), keep_old_(keep_old), report_(report), progress_(progress) {}

  void add(const Job& job) {
    auto input = open_input(job);
    if (!input) return fail_file(job, input.error());
    auto header = read_header(*input);
    if (!header) return fail_file(job, header.error());
    if (has_target(*header)) {
      progress_.add(input->size());
      return report_.present(job.name(), job.name());
    }
    if (header->core().suite != target_.parameters()->suite)
      return fail_file(
          job,
          Error(Code::conflict, "of suite " + std::string(suite_name(header->core().suite)) +
                                    ", which is not the key's: such a file is decrypted and encrypted anew"));
    const auto choice = openings_.choose(*header);
    if (!choice) return fail_opening(job, choice.error());
    batches_.add({.job = job, .input = *std::move(input), .header = *std::move(header)}, *choice);
  }

  void flush() { batches_.flush(); }

 private:
  bool has_target(const protocol::Header& header) const {
    const bool alone = header.stanzas().size() == 1 && header.unknown_stanzas().empty();
    return header.stanza_for(target_.key_id()) && (keep_old_ || alone);
  }

  void finish(Waiting& file, const Result<protocol::Element>& m) {
    if (!m) return fail_opening(file.job, m.error());
    const auto next =
        protocol::rewrap(file.header, *m, target_.public_key(), target_.key_id(), keep_old_, system_random());
    if (!next) return fail_opening(file.job, next.error());
    const auto replaced = replace(file, *next);
    if (!replaced) return fail_file(file.job, replaced.error());
    report_.done(file.job.name(), file.job.name());
  }

  Status replace(const Waiting& file, const protocol::Header& next) {
    const PlaceInTree& place = file.job.input_place;
    if (!place) return replace_header(*file.job.input, file.input, file.header, next, progress_);
    const auto folder = place.folder(false);
    if (!folder) return folder.error();
    return replace_header(*folder, place.name(), file.input, file.header, next, progress_);
  }

  void fail_file(const Job& job, const Error& error) {
    report_.failed(job.name(), error, exit_code_of_file(error.code()));
  }
  void fail_opening(const Job& job, const Error& error) {
    report_.failed(job.name(), error, exit_code_of_opening(error.code()));
  }

  Openings& openings_;
  const Bundle& target_;
  const bool keep_old_;
  Report& report_;
  Progress& progress_;
  Batches batches_{[this](Waiting& file, const Result<protocol::Element>& m) { finish(file, m); }};
};

// The key of --to: a name in the configuration, or a key_id.
Result<KeyId> named_key_id(const std::string& name, const Config& config) {
  if (!valid_key_name(name)) return read_key_id(name, "--to");  // a key_id is longer than any name
  const auto key = find_key(config, name);
  if (!key) return key.error();
  return key->key_id;
}

// The key for the files: --to, or else the choice of `coprotect encrypt`. The agents have already been asked
// for newer keys.
Result<Bundle> find_target(const Options& options) {
  const auto config = find_config(options);
  if (!config) return config.error();
  if (!options.to) return encrypting_key(options, *config);
  if (!*config) return Error(Code::not_found, "no configuration \"" + default_config_file().string() + "\"");
  auto store = open_key_store(**config);
  if (!store) return std::move(store).error();
  const auto key_id = named_key_id(*options.to, **config);
  if (!key_id) return key_id.error();
  if (auto encrypts = check_encrypts(*store, *key_id); !encrypts) return std::move(encrypts).error();
  auto bundle = store->bundle(*key_id);
  if (!bundle) return bundle;
  if (auto fits = check_purpose(*bundle, protocol::Purpose::envelope); !fits) return std::move(fits).error();
  return bundle;
}

// The old keys. --bundle and --key-id describe the new one.
Result<Openings> open_with(Options options, Report& report) {
  options.bundle.reset();
  options.key_id.reset();
  return Openings::prepare(options, [&report](const Error& why) { report.warn(why); });
}

}  // namespace

ExitCode rewrap(const Options& options, Report& report) {
  const auto plan = plan_in_place(options.inputs, options.recursive);
  if (!plan) {
    report.failed(plan.error(), ExitCode::usage);
    return ExitCode::usage;
  }
  auto openings = open_with(options, report);
  if (!openings) {
    report.failed(openings.error(), exit_code_of_bundle(openings.error().code()));
    return report.exit_code();
  }
  if (openings->store() != nullptr) {
    // "The newest key" means the newest that exists, so ask the agents first.
    if (const auto updated = openings->update(); !updated) {
      report.failed(Error(updated.error()).in("key list"), exit_code_of_opening(updated.error().code()));
      return report.exit_code();
    }
  }
  const auto target = find_target(options);
  if (!target) {
    report.failed(target.error(), exit_code_of_bundle(target.error().code()));
    return report.exit_code();
  }
  Progress progress(plan->input_size, !options.json && isatty(2) == 1);
  report.set_progress(&progress);
  report_left_out(*plan, report);
  Rewrapping rewrapping(*openings, *target, options.keep_old, report, progress);
  for (const Job& job : plan->jobs) rewrapping.add(job);
  rewrapping.flush();
  report.set_progress(nullptr);
  if (plan->jobs.empty())
    report.warn(Error(Code::not_found, "no encrypted file was found: what is elsewhere keeps its key"));
  report.summarize("rewrapped", "had the key already");
  return report.exit_code();
}

}  // namespace coprotect::client
