#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "provisioning/organisation.h"

namespace coprotect::provisioning {

struct AgentSetup {
  std::filesystem::path directory;
  std::string role;  // the party's name
  std::string url;
  std::optional<std::string> listen;  // the URL's own address, or every address if the URL has a name
  std::string token;
  unsigned hold_seconds;
  std::filesystem::path token_helper;  // the coprotect-token executable
  // The organisation that runs the agent: this one; else, with `companys`, the company that onboards it; else
  // one of its own.
  const Organisation* organisation = nullptr;
  bool companys = false;
};

// Makes an agent's folder: identity key wrapped under the token, certificates, TLS key, configuration and a
// first invitation. The folder appears complete or not at all. The next run removes what a killed run left
// beside it. Returns the name of the only token that the agent will use from now on. Code::conflict if the
// folder is not empty.
Result<std::string> init_agent(const AgentSetup& setup, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
