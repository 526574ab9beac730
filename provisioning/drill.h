#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "protocol/base/random.h"
#include "provisioning/operator.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {

struct DrillOptions {
  std::filesystem::path directory;           // what onboard left, with the administrator
  std::string key;                           // a further key's name; empty: the first one
  std::optional<std::filesystem::path> kit;  // the recovery share and its administrator come from it
  std::optional<std::filesystem::path>
      renewed_kit;                // where the kit is to be written with a renewed certificate
  std::filesystem::path out;      // the folder for the evidence
  std::string purpose = "drill";  // what agents are told that a derivation is for
};
// Opens a canary through every quorum of the key's parties, each asked alone: agents by their parts, the
// recovery share by the code that the operator types. Writes signed evidence, and tells every agent how it
// ended. Exit::some_failed if a quorum failed or an agent could not be told; Code::wrong_code without any of
// it if the code is not the one.
Result<Exit> drill(const DrillOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

// Checks evidence that drill() wrote, by the signature beside it, and prints what it says.
Status verify_drill(const std::filesystem::path& evidence, const std::filesystem::path& directory);

}  // namespace coprotect::provisioning
