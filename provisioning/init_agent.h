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
  // Whose agent it is: an organisation's that is named here; else, with `companys`, the company's that
  // onboards it; else nobody's but its own.
  const Organisation* organisation = nullptr;
  bool companys = false;
};

// Makes an agent's folder: identity key wrapped under the token, certificates, TLS key, configuration and a
// first invitation. The folder is there in whole or not at all; what a killed run left beside it is removed
// by the next. Returns the name of the token that it will use from now on, and no other. Code::conflict if
// the folder holds something.
Result<std::string> init_agent(const AgentSetup& setup, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
