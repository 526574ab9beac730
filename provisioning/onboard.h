#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "protocol/base/random.h"
#include "protocol/dkg/parameters.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

struct OnboardOptions {
  std::string tenant;
  std::filesystem::path out;
  std::filesystem::path cloud_invitation;
  std::filesystem::path company_invitation;
  protocol::Purpose purpose = protocol::Purpose::envelope;
  protocol::SuiteId suite = protocol::SuiteId::p256;
  std::string administrator = "admin";
  std::uint32_t ca_memory_mib = kCaKeyMemoryMib;
  bool same_host = false;
};

// Makes a company's key and everything that belongs to it. It can be run again with the same invitations and
// folder after any failure or crash: it then finishes what was committed, or clears what was not and starts
// over.
Status onboard(const OnboardOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
