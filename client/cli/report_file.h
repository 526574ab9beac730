#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "client/files/folder.h"

namespace coprotect::client {

// A permanent record of a long run: one line of JSON per file, written when the file is done, and a summary
// line. Lines are appended to an existing file, so one report covers an interrupted run and the run that
// resumes it.
class ReportFile {
 public:
  // Code::conflict for a file that contains anything but a report. A report in the output tree is opened like
  // the outputs, without following any link. Elsewhere only the last part of the path must not be a link,
  // except for the descriptors under /dev.
  static Result<ReportFile> open(const std::string& file, const std::shared_ptr<Tree>& outputs);

  struct Line {
    std::string path;
    std::string_view result;  // done, present, skipped, failed
    std::string reason = {};
    std::optional<std::uint64_t> input_size = {};
    std::optional<std::uint64_t> output_size = {};
  };
  Status add(const Line& line);
  // Adds how many lines of each result this run wrote, and how long it took.
  Status summarize();

 private:
  explicit ReportFile(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::map<std::string, std::uint64_t> counts_;
  std::uint64_t output_bytes_ = 0;
};

}  // namespace coprotect::client
