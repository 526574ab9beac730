#pragma once

#include <optional>
#include <set>
#include <string>

#include "client/cli/exit_code.h"
#include "client/cli/report_file.h"
#include "client/files/progress.h"

namespace coprotect::client {

// The sizes of a file and of its result, where known.
struct FileSizes {
  std::optional<std::uint64_t> input = {};
  std::optional<std::uint64_t> output = {};
};

// Reports each file's result to people (standard error) or programs (--json: one line per file on standard
// output), and computes the exit code.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}
  // Messages clear its bar first.
  void set_progress(Progress* progress) { progress_ = progress; }
  // Also writes each file's result there.
  void set_file(ReportFile* file) { file_ = file; }

  void done(const std::string& file, const std::string& output, const FileSizes& sizes = {});
  // Nothing to do: an earlier run did it.
  void present(const std::string& file, const std::string& output, const FileSizes& sizes = {});
  // Like done(), for a command that prints its own line.
  void succeeded() { ++done_; }
  void skipped(const std::string& file, const std::string& why);
  void failed(const std::string& file, const Error& error, ExitCode code);
  // A failure that concerns no file, or all of them.
  void failed(const Error& error, ExitCode code);
  // For a problem that stopped nothing.
  void warn(const Error& error) { say("warning: ", error.message()); }
  // What the user can do about it. Each hint is printed once.
  void hint(const std::string& text);
  // Prints the totals to people and into the file: "3 VERB, 2 PRESENT, 1 failed, 4 skipped".
  void summarize(const std::string& verb, const std::string& present);

  // The common code of the failures if everything failed in the same way, else some_failed.
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
