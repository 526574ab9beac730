#pragma once

#include <optional>
#include <set>
#include <string>

#include "client/cli/exit_code.h"
#include "client/cli/report_file.h"
#include "client/files/progress.h"

namespace coprotect::client {

// Of a file and of what became of it, where they are known.
struct FileSizes {
  std::optional<std::uint64_t> input = {};
  std::optional<std::uint64_t> output = {};
};

// Tells people (standard error) or programs (--json: a line for each file on standard output) how each file
// went, and adds up the exit code.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}
  // Messages remove its bar first.
  void set_progress(Progress* progress) { progress_ = progress; }
  // Each file's result goes there, too.
  void set_file(ReportFile* file) { file_ = file; }

  void done(const std::string& file, const std::string& output, const FileSizes& sizes = {});
  // Nothing had to be done: an earlier run did it.
  void present(const std::string& file, const std::string& output, const FileSizes& sizes = {});
  // As done(), for a command that prints its own line.
  void succeeded() { ++done_; }
  void skipped(const std::string& file, const std::string& why);
  void failed(const std::string& file, const Error& error, ExitCode code);
  // A failure that concerns no file, or all of them.
  void failed(const Error& error, ExitCode code);
  // What did not stop anything.
  void warn(const Error& error) { say("warning: ", error.message()); }
  // What can be done about it; each hint is given once.
  void hint(const std::string& text);
  // Sums up: "3 VERB, 2 PRESENT, 1 failed, 4 skipped", to people and in the file.
  void summarize(const std::string& verb, const std::string& present);

  // The failures' common code if all that was tried failed in the same way; some_failed if not.
  ExitCode exit_code() const;

 private:
  void say(const std::string& kind, const std::string& text);
  void count(ExitCode code);
  void add_line(const ReportFile::Line& line);

  const bool json_;
  Progress* progress_ = nullptr;
  ReportFile* file_ = nullptr;
  std::size_t done_ = 0;
  std::size_t present_ = 0;
  std::size_t skipped_ = 0;
  std::size_t failed_ = 0;
  std::optional<ExitCode> failure_;
  std::set<std::string> hints_;
};

}  // namespace coprotect::client
