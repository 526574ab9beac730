#pragma once

#include <chrono>

#include "provisioning/ca_key_file.h"
#include "provisioning/handover/found_lists.h"
#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

struct RestoreOptions {
  std::filesystem::path kit;
  std::filesystem::path invitation;  // of the new agent, which replaces the lost one of the same party
  std::filesystem::path out;         // the new folder, like the lost one that onboard made
  // Instead, for a further key: the folder that the first key's restore made, and the key's name there if it
  // is not that of the kit's administrator.
  std::filesystem::path directory = {};
  std::string key = {};
  std::filesystem::path ca_kit = {};  // holds the client CA's key, if the kit does not
  ListChoice lists = {};
  std::string administrator = "root";
  std::uint32_t ca_memory_mib = kCaKeyMemoryMib;
  bool wait = false;  // until the announced handover may begin
  bool plan_only = false;
  std::string allow_quorum = {};  // the sentence that allows new quorums (draft.h)
};

// For a company that lost all its machines and has the recovery kit and its code. Announces to the remaining
// agents that the lost one is to be replaced. When their waiting time has passed without a veto, hands the
// key over to the new one. The result is what onboard makes: client CA (from the kit, under a new
// passphrase), a new administrator, bundle, kit. Code::limited while it waits. May be repeated, also after a
// crash at any step. A further key is restored in the same way into the resulting folder. Code::conflict,
// without any change, if the folder holds another key than the kit's.
Status restore(const RestoreOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
