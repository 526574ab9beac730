#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "protocol/base/random.h"
#include "protocol/dkg/parameters.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

struct RotateOptions {
  std::filesystem::path directory;  // what onboard left
  std::filesystem::path cloud_invitation;
  std::filesystem::path company_invitation;
  std::optional<std::string> name;         // of the new key; else rotation-1, rotation-2, …
  std::optional<protocol::SuiteId> suite;  // else the first key's
  bool same_host = false;
};

// Makes a new envelope key of an onboarded company, as add-key does, and then the key list in which it
// encrypts and the key before only decrypts. May be run again after any failure or crash, with the same
// invitations: it finishes what was begun.
Status rotate(const RotateOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
