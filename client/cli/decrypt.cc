#include "client/cli/decrypt.h"

#include <unistd.h>

#include "client/cli/batches.h"
#include "client/cli/misnamed.h"
#include "client/cli/read_files.h"
#include "client/files/encrypted_file.h"

namespace coprotect::client {
namespace {

// The expected sizes of a regular input and its output. Unknown for streams.
Result<FileSizes> sizes_of(Input& input) {
  if (!input.regular()) return FileSizes{};
  const auto content = content_size(input);
  if (!content) return content.error();
  return FileSizes{.input = input.size(), .output = *content};
}

// Whether an earlier run made the output. An output appears only when it is complete.
bool is_there(const Job& job, const FileSizes& sizes) {
  return sizes.output && size_of_output(job) == sizes.output;
}

// Decrypts files: headers in batches, bodies one after another.
class Decryption {
 public:
  Decryption(Openings& openings, const Options& options, const ReadFiles& read, Report& report,
             Progress& progress)
      : openings_(openings), options_(options), read_(read), report_(report), progress_(progress) {}

  void add(const Job& job) {
    if (auto other = read_.check_output(job); !other) return fail_file(job, other.error());
    if (!options_.resume)
      if (auto free = target_available(job, options_.force); !free) return fail_file(job, free.error());
    auto input = open_input(job);
    if (!input) return fail_file(job, input.error());
    auto header = read_header(*input);
    if (!header) return fail_file(job, header.error());
    if (options_.resume && already_done(job, *input)) return;
    const auto choice = openings_.choose(*header);
    if (!choice) return fail_opening(job, choice.error());
    batches_.add({.job = job, .input = *std::move(input), .header = *std::move(header)}, *choice);
  }

  void flush() { batches_.flush(); }

 private:
  bool already_done(const Job& job, Input& input) {
    const auto sizes = sizes_of(input);
    if (!sizes) {
      fail_file(job, sizes.error());
      return true;
    }
    if (is_there(job, *sizes)) {
      report_.present(job.name(), job.output_name(), *sizes);
      progress_.add(input.size());
      return true;
    }
    const auto free = target_available(job, options_.force);
    if (!free) fail_file(job, free.error());
    return !free;
  }

  // The header's MAC is checked before any byte of the body is used.
  void finish(Waiting& file, const Result<protocol::Element>& m) {
    if (!m) return fail_opening(file.job, m.error());
    const auto file_key = file.header.unlock(*m);
    if (!file_key) return fail_opening(file.job, file_key.error());
    const auto sizes = sizes_of(file.input);
    if (!sizes) return fail_file(file.job, sizes.error());
    auto target = open_target(file.job, options_.force, file.input);
    if (!target) return fail_file(file.job, target.error());
    const auto written = write_decrypted(file.input, file.header, *file_key, *target, progress_);
    if (!written) return fail_file(file.job, written.error());
    report_.done(file.job.name(), file.job.output_name(), *sizes);
  }

  void fail_file(const Job& job, const Error& error) {
    report_.failed(job.name(), error, exit_code_of_file(error.code()));
  }
  void fail_opening(const Job& job, const Error& error) {
    const ExitCode code = exit_code_of_opening(error.code());
    report_.failed(job.name(), error, code);
    if (code == ExitCode::unreachable && !options_.recover) {
      report_.hint(
          "try again when it is back; or, with the recovery code: coprotect decrypt --recover --kit KIT "
          "FILE");
    }
  }

  Openings& openings_;
  const Options& options_;
  const ReadFiles& read_;
  Report& report_;
  Progress& progress_;
  Batches batches_{[this](Waiting& file, const Result<protocol::Element>& m) { finish(file, m); }};
};

Result<ReportFile> open_report(const Options& options, const Plan& plan, const ReadFiles& read) {
  if (auto other = read.check_report(*options.report, plan); !other)
    return std::move(other).error().in("report");
  return ReportFile::open(*options.report, plan.output_tree);
}

}  // namespace

ExitCode decrypt(const Options& options, Report& report) {
  auto plan = make_plan(Direction::open, options.inputs, options.recursive, options.output);
  if (!plan) {
    report.failed(plan.error(), ExitCode::usage);
    return ExitCode::usage;
  }
  const ReadFiles read(options, *plan);
  std::optional<ReportFile> report_file;
  if (options.report) {
    auto opened = open_report(options, *plan, read);
    if (!opened) {
      report.failed(opened.error(), ExitCode::usage);
      return ExitCode::usage;
    }
    report.set_file(&report_file.emplace(*std::move(opened)));
  }
  auto openings = Openings::prepare(options, [&report](const Error& why) { report.warn(why); });
  if (!openings) {
    report.failed(openings.error(), exit_code_of_bundle(openings.error().code()));
    if (options.kit && openings.error().code() == Code::wrong_code)
      report.hint("a kit opens with the code that it was made with; only the newest of both is good");
    return report.exit_code();
  }
  Progress progress(plan->input_size, !options.json && isatty(2) == 1);
  report.set_progress(&progress);
  fail_misnamed(*plan, Direction::open, report);
  report_left_out(*plan, report);
  Decryption decryption(*openings, options, read, report, progress);
  for (const Job& job : plan->jobs) decryption.add(job);
  decryption.flush();
  report.set_progress(nullptr);
  if (options.report || options.resume) report.summarize("decrypted", "were there");
  report.set_file(nullptr);
  return report.exit_code();
}

}  // namespace coprotect::client
