#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "protocol/base/random.h"
#include "protocol/dkg/parameters.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

struct RotateOptions {
  std::filesystem::path directory;  // the folder that onboard made
  std::filesystem::path cloud_invitation;
  std::filesystem::path company_invitation;
  std::optional<std::string> name;         // of the new key; default rotation-1, rotation-2, …
  std::optional<protocol::SuiteId> suite;  // default: the first key's
  bool same_host = false;
};

// Makes a new envelope key for an onboarded company, as add-key does, then a key list in which it encrypts
// and the key before it only decrypts. It can be run again with the same invitations after any failure or
// crash, and finishes what was begun.
Status rotate(const RotateOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
