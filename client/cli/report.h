#pragma once

#include <optional>
#include <set>
#include <string>

#include "client/cli/exit_code.h"
#include "client/files/progress.h"

namespace coprotect::client {

// Text as it may go to a terminal: control characters become '?'.
std::string printable(std::string_view text);

// Tells people (standard error) or programs (--json: a line for each file on standard output) how each file
// went, and adds up the exit code.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}
  // Messages remove its bar first.
  void set_progress(Progress* progress) { progress_ = progress; }

  void done(const std::string& file, const std::string& output);
  // As done(), for a command that prints its own line.
  void succeeded() { any_done_ = true; }
  void skipped(const std::string& file, const std::string& why);
  void failed(const std::string& file, const Error& error, ExitCode code);
  // A failure that concerns no file, or all of them.
  void failed(const Error& error, ExitCode code);
  // What did not stop anything.
  void warn(const Error& error) { say("warning: ", error.message()); }
  // What can be done about it; each hint is given once.
  void hint(const std::string& text);

  // The failures' common code if all that was tried failed in the same way; some_failed if not.
  ExitCode exit_code() const;

 private:
  void say(const std::string& kind, const std::string& text);
  void count(ExitCode code);

  const bool json_;
  Progress* progress_ = nullptr;
  bool any_done_ = false;
  std::optional<ExitCode> failure_;
  std::set<std::string> hints_;
};

}  // namespace coprotect::client
