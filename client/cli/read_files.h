#pragma once

#include <sys/stat.h>

#include <set>
#include <string>
#include <utility>

#include "client/cli/options.h"
#include "client/cli/plan.h"

namespace coprotect::client {

// The files that a command reads: inputs (also those that fail early), kit, bundle, configuration and policy.
// No output replaces one of them, whatever the command line allows to be replaced.
class ReadFiles {
 public:
  ReadFiles(const Options& options, const Plan& plan);

  // Code::conflict if the job's output exists and is one of them.
  Status check_output(const Job& job) const;
  // Code::conflict if a report would be appended to one of them, or is where an output of the plan goes.
  Status check_report(const std::string& report, const Plan& plan) const;

 private:
  void add(const std::string& file);
  bool has(const struct stat& status) const { return files_.contains({status.st_dev, status.st_ino}); }

  std::set<std::pair<dev_t, ino_t>> files_;
};

}  // namespace coprotect::client
