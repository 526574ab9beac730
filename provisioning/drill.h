#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "protocol/base/random.h"
#include "provisioning/operator.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {

struct DrillOptions {
  std::filesystem::path directory;           // the folder that onboard made, with the administrator
  std::string key;                           // a further key's name; empty: the first one
  std::optional<std::filesystem::path> kit;  // provides the recovery share and its administrator
  std::optional<std::filesystem::path>
      renewed_kit;                // where the kit is to be written with a renewed certificate
  std::filesystem::path out;      // the folder for the evidence
  std::string purpose = "drill";  // the purpose that agents are told for a derivation
};
// Opens a canary with every quorum of the key's parties, each asked alone: agents for their partials, the
// recovery share with the code that the operator types. Writes signed evidence, and reports the result to
// every agent. Exit::some_failed if a quorum failed or an agent could not be told. Code::wrong_code, without
// doing any of this, if the code is wrong.
Result<Exit> drill(const DrillOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

// Checks evidence from drill() against the signature beside it, and prints its contents.
Status verify_drill(const std::filesystem::path& evidence, const std::filesystem::path& directory);

}  // namespace coprotect::provisioning
