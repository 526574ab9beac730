#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <chrono>
#include <optional>

#include "protocol/base/result.h"

namespace coprotect::agent {

// The file in an agent's state (hsm/agent_folder.h) that `coprotect-agent status` reads. The custodian may
// not listen, so it writes what it knows, as limits.prom does for a monitor: no socket is needed, and nobody
// outside can make it do anything.
inline constexpr const char* kStatusFile = "status.json";
inline constexpr std::chrono::seconds kStatusEvery(15);

// Writes the file, every kStatusEvery.
class StatusReport {
 public:
  // `overview` gives the JSON to write.
  StatusReport(std::filesystem::path file, std::function<std::string()> overview)
      : file_(std::move(file)), overview_(std::move(overview)) {}

  // Once a second, from one thread. What could not be written, and why; empty if nothing failed.
  const std::string& sweep();

 private:
  using Clock = std::chrono::steady_clock;
  const std::filesystem::path file_;
  const std::function<std::string()> overview_;
  std::optional<Clock::time_point> written_;
  std::string failure_;
};

}  // namespace coprotect::agent
