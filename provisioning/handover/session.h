#pragma once

#include <filesystem>
#include <string>

#include "provisioning/handover/holder_group.h"
#include "provisioning/handover/key_folder.h"

namespace coprotect::provisioning {

// The options of every command on an existing key.
struct KeyOptions {
  std::filesystem::path directory;  // the one that onboard made
  std::string key;                  // a further key's name; empty for the first one
  bool plan_only = false;           // says what would change, and changes nothing
  unsigned wait_seconds = 3600;     // how long the agents' operators have to approve
  // The sentence that allows new quorums (draft.h).
  std::string allow_quorum = {};
};

// Reads invitations of any agents from files. Code::denied for one that has expired.
Result<std::vector<InvitedAgent>> read_invitations(const std::vector<std::filesystem::path>& files,
                                                   std::int64_t now_ms);
// Null if that party has none.
InvitedAgent* invitation_of(std::span<InvitedAgent> invited, std::string_view party);

// The agents of the folder's key, with no unfinished handover between them. It first completes or undoes what
// an earlier run left, and renews the folder. Code::unavailable names an agent that is needed for this but
// missing, unless it is `lost`.
Result<HolderGroup> settled_holders(KeyFolder& folder, std::span<InvitedAgent> invited,
                                    const Operator& person, Random& random, std::string_view lost = {});

// Prints who holds the key, line by line.
void print_holders(const protocol::Bundle& bundle);
// Prints what a handover would do, in words.
void print_plan(const protocol::Bundle& now, const protocol::Parameters& next);

}  // namespace coprotect::provisioning
