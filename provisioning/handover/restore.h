#pragma once

#include <chrono>

#include "provisioning/ca_key_file.h"
#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

struct RestoreOptions {
  std::filesystem::path kit;
  std::filesystem::path invitation;  // of the new agent, in place of the lost one of the same party
  std::filesystem::path out;         // the new folder, as onboard made the lost one
  std::string administrator = "root";
  std::uint32_t ca_memory_mib = kCaKeyMemoryMib;
  bool wait = false;  // until the announced handover may begin
  bool plan_only = false;
  std::string allow_quorum = {};  // what the operator says of quorums that are news (draft.h)
};

// A company lost all its machines and has the recovery kit and its code. Announces at the remaining agents
// that the lost one is to be replaced; when their waiting time is over and nobody objected, hands the key
// over to the new one. Leaves what onboard left: client CA (from the kit, under a new passphrase), a new
// administrator, bundle, kit. Code::limited while it waits; may be repeated, also after a crash at any step.
Status restore(const RestoreOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
