#include "swtpm-tests/crowd/recorded.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "protocol/base/fd.h"

namespace coprotect::harness::crowd {
namespace {

// A long log is longer than a test wants in memory.
std::filesystem::path log_of(Scene& scene, const std::string& party) {
  const auto file = scene.system().folder() / (party + "-log.json");
  const Fd out(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  Daemon reading = Daemon::spawn({System::program("coprotect-provision").string(), "log", "--dir",
                                  scene.system().out().string(), "--party", party, "--json"},
                                 {}, {{1, out.get()}});
  EXPECT_TRUE(reading.wait_for_end(std::chrono::minutes(30)));
  EXPECT_EQ(reading.exit_code(), 0) << "the " << party << " agent's log does not verify";
  return file;
}

}  // namespace

void Recorded::answered(const std::string& party, const std::string& c1_hash) {
  const std::lock_guard lock(mutex_);
  answered_[party].insert(c1_hash);
}

std::size_t Recorded::answers(const std::string& party) const {
  const std::lock_guard lock(mutex_);
  const auto of_party = answered_.find(party);
  return of_party == answered_.end() ? 0 : of_party->second.size();
}

std::set<std::string> Recorded::missing_in_log(Scene& scene, const std::string& party) const {
  const std::lock_guard lock(mutex_);
  const auto of_party = answered_.find(party);
  if (of_party == answered_.end()) return {};
  std::map<std::string, std::set<std::string>> missing = {{"intent", of_party->second},
                                                          {"result", of_party->second}};
  std::ifstream lines(log_of(scene, party));
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line);
    const auto kind = missing.find(entry.value("kind", ""));
    if (kind == missing.end() || entry.value("operation", "") != "partial-decrypt") continue;
    for (const auto& item : entry["items"]) kind->second.erase(item.value("c1_hash", ""));
  }
  std::set<std::string> all = std::move(missing["intent"]);
  all.merge(missing["result"]);
  return all;
}

}  // namespace coprotect::harness::crowd
