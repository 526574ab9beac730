#include "client/cli/read_files.h"

#include <fcntl.h>

#include <algorithm>

namespace coprotect::client {
namespace fs = std::filesystem;
namespace {

Error is_read(const std::string& file) {
  return {Code::conflict, "\"" + file + "\" is a file that this command reads: name another output"};
}

// A link is replaced, not its target.
bool status_of_output(const Job& job, struct stat& status) {
  if (!job.output_place) return job.output && lstat(job.output->c_str(), &status) == 0;
  const auto folder = job.output_place.folder(false);
  return folder && fstatat(folder->fd(), job.output_place.name().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

fs::path place_of(const fs::path& file) {
  std::error_code ignored;
  const fs::path whole = fs::absolute(file).lexically_normal();
  const fs::path folder = fs::weakly_canonical(whole.parent_path(), ignored);
  return (ignored ? whole.parent_path() : folder) / whole.filename();
}

}  // namespace

ReadFiles::ReadFiles(const Options& options, const Plan& plan) {
  for (const auto& named : {options.kit, options.bundle, options.config, options.policy})
    if (named) add(*named);
  for (const Job& job : plan.jobs)
    if (job.input) add(job.input->string());
  for (const auto& [file, why] : plan.failed) add(file);
}

// Pipes and devices are not replaced.
void ReadFiles::add(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode))
    files_.emplace(status.st_dev, status.st_ino);
}

Status ReadFiles::check_output(const Job& job) const {
  struct stat status {};
  if (status_of_output(job, status) && has(status)) return is_read(job.output_name());
  return Done{};
}

Status ReadFiles::check_report(const std::string& report, const Plan& plan) const {
  struct stat status {};
  if (stat(report.c_str(), &status) == 0 && has(status)) return is_read(report);
  const fs::path name = fs::path(report).filename();
  const auto same = [&](const Job& job) {
    return job.output && job.output->filename() == name && place_of(*job.output) == place_of(report);
  };
  if (std::ranges::any_of(plan.jobs, same))
    return Error(Code::conflict, "\"" + report + "\" is where an output goes: name another report");
  return Done{};
}

}  // namespace coprotect::client
