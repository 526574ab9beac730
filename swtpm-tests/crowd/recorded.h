#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "swtpm-tests/crowd/scene.h"

namespace coprotect::harness::crowd {

// What agents answered, to be compared with what they recorded. Safe from several threads.
class Recorded {
 public:
  void answered(const std::string& party, const std::string& c1_hash);
  std::size_t answers(const std::string& party) const;
  // Those that are missing in the agent's log, as `coprotect-provision log` shows it, as intent and as
  // result.
  std::set<std::string> missing_in_log(Scene& scene, const std::string& party) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::set<std::string>> answered_;
};

}  // namespace coprotect::harness::crowd
