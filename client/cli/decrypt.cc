#include "client/cli/decrypt.h"

#include <unistd.h>

#include "client/cli/opening.h"
#include "client/cli/plan.h"
#include "client/files/encrypted_file.h"

namespace coprotect::client {
namespace {

// A file whose header was read and that waits for its batch.
struct Waiting {
  Job job;
  Input input;
  protocol::Header header;
};

Result<Waiting> read_front(const Job& job, const protocol::KeyId& key_id, bool force) {
  if (auto free = Target::available(job.output, force); !free) return std::move(free).error();
  auto input = Input::open(job.input);
  if (!input) return std::move(input).error();
  auto header = read_header(*input);
  if (!header) return std::move(header).error();
  if (const auto stanza = header->stanza_for(key_id); !stanza) return stanza.error();
  return Waiting{.job = job, .input = *std::move(input), .header = *std::move(header)};
}

// Decrypts files in batches, so that a folder costs each agent few requests and the client little memory.
class Batches {
 public:
  Batches(Quorum& quorum, const Options& options, Report& report, Progress& progress)
      : quorum_(quorum), options_(options), report_(report), progress_(progress) {}

  void add(const Job& job) {
    auto front = read_front(job, quorum_.bundle().key_id(), options_.force);
    if (!front) return fail_file(job, front.error());
    const std::size_t share = request_share(locked(*front));
    if (waiting_.size() == protocol::kMaxItems || size_ + share > kMaxBatchSize) flush();
    waiting_.push_back(*std::move(front));
    size_ += share;
  }

  void flush() {
    if (waiting_.empty()) return;
    std::vector<LockedFile> files;
    for (const Waiting& file : waiting_) files.push_back(locked(file));
    const auto opened = quorum_.open(files);
    for (std::size_t i = 0; i < waiting_.size(); ++i) finish(waiting_[i], opened[i]);
    waiting_.clear();
    size_ = 0;
  }

 private:
  LockedFile locked(const Waiting& file) const {
    return {.header = &file.header, .stanza = *file.header.stanza_for(quorum_.bundle().key_id())};
  }

  // The header's MAC is checked before a byte of the body is looked at.
  void finish(Waiting& file, const Result<protocol::Element>& m) {
    if (!m) return fail_opening(file.job, m.error());
    const auto file_key = file.header.unlock(*m);
    if (!file_key) return fail_opening(file.job, file_key.error());
    auto target = open_target(file.job, options_.force, file.input);
    if (!target) return fail_file(file.job, target.error());
    const auto written = write_decrypted(file.input, file.header, *file_key, *target, progress_);
    if (!written) return fail_file(file.job, written.error());
    report_.done(file.job.name(), file.job.output_name());
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

  Quorum& quorum_;
  const Options& options_;
  Report& report_;
  Progress& progress_;
  std::vector<Waiting> waiting_;
  std::size_t size_ = 0;
};

}  // namespace

ExitCode decrypt(const Options& options, Report& report) {
  const auto plan = make_plan(Direction::open, options.inputs, options.recursive, options.output);
  if (!plan) {
    report.failed(plan.error(), ExitCode::usage);
    return ExitCode::usage;
  }
  auto quorum = prepare_opening(options, [&report](const Error& why) { report.warn(why); });
  if (!quorum) {
    report.failed(quorum.error(), exit_code_of_bundle(quorum.error().code()));
    if (options.kit && quorum.error().code() == Code::wrong_code)
      report.hint("a kit opens with the code that it was made with; only the newest of both is good");
    return report.exit_code();
  }
  Progress progress(plan->input_size, !options.json && isatty(2) == 1);
  report.set_progress(&progress);
  for (const auto& [file, why] : plan->skipped) report.skipped(file, why);
  Batches batches(*quorum, options, report, progress);
  for (const Job& job : plan->jobs) batches.add(job);
  batches.flush();
  report.set_progress(nullptr);
  return report.exit_code();
}

}  // namespace coprotect::client
