#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "client/files/folder.h"

namespace coprotect::client {

// What a long run did, for whoever must show it later: a line of JSON for each file, written when the file is
// done, and one that sums up. Lines are added to a file that exists, so that a run that was interrupted and
// the one that resumes it stand in one report.
class ReportFile {
 public:
  // Code::conflict for a file that has something else in it than a report.
  // A report in the tree that the outputs go to is reached as they are, without following a link. Anywhere
  // else only its last part may not be a link, but for the descriptors that /dev names.
  static Result<ReportFile> open(const std::string& file, const std::shared_ptr<Tree>& outputs);

  struct Line {
    std::string path;
    std::string_view result;  // done, present, skipped, failed
    std::string reason = {};
    std::optional<std::uint64_t> input_size = {};
    std::optional<std::uint64_t> output_size = {};
  };
  Status add(const Line& line);
  // How many lines of each result this run added, and how long it took.
  Status summarize();

 private:
  explicit ReportFile(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::map<std::string, std::uint64_t> counts_;
  std::uint64_t output_bytes_ = 0;
};

}  // namespace coprotect::client
