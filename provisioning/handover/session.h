#pragma once

#include <filesystem>
#include <string>

#include "provisioning/handover/holder_group.h"
#include "provisioning/handover/key_folder.h"

namespace coprotect::provisioning {

// What every command on an existing key is given.
struct KeyOptions {
  std::filesystem::path directory;  // that onboard made
  std::string key;                  // a further key's name; empty for the first one
  bool plan_only = false;           // say what would change, and change nothing
  unsigned wait_seconds = 3600;     // how long the agents' operators have to approve
  // What the operator says of quorums that are news (draft.h).
  std::string allow_quorum = {};
};

// Invitations by file, of whichever agents. Code::denied for one that has expired.
Result<std::vector<InvitedAgent>> read_invitations(const std::vector<std::filesystem::path>& files,
                                                   std::int64_t now_ms);
// Null if there is none of that party.
InvitedAgent* invitation_of(std::span<InvitedAgent> invited, std::string_view party);

// The agents of the folder's key with nothing unfinished between them: what an earlier run left is completed
// or taken back first, and the folder renewed. Code::unavailable names an agent that this waits for, unless
// `lost` is its name.
Result<HolderGroup> settled_holders(KeyFolder& folder, std::span<InvitedAgent> invited,
                                    const Operator& person, Random& random, std::string_view lost = {});

// Who holds the key, line by line.
void print_holders(const protocol::Bundle& bundle);
// What a handover would do, in words.
void print_plan(const protocol::Bundle& now, const protocol::Parameters& next);

}  // namespace coprotect::provisioning
