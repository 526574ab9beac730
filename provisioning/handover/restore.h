#pragma once

#include <chrono>

#include "provisioning/ca_key_file.h"
#include "provisioning/handover/found_lists.h"
#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

struct RestoreOptions {
  std::filesystem::path kit;
  std::filesystem::path invitation;  // of the new agent, in place of the lost one of the same party
  std::filesystem::path out;         // the new folder, as onboard made the lost one
  // In its place, for a further key: the folder that the first key's restore left, and the key's name there,
  // if it is not that of the kit's administrator.
  std::filesystem::path directory = {};
  std::string key = {};
  std::filesystem::path ca_kit = {};  // that holds the client CA's key, if the kit does not
  ListChoice lists = {};
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
// A further key is restored in the same way into the folder that is left then. Code::conflict, and nothing
// changed, if the folder holds another key than the kit's.
Status restore(const RestoreOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
