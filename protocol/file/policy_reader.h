#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::protocol {

// The members of a policy as they are written, each of the right kind and size; what the texts mean is still
// to be judged.
struct PolicyMembers {
  struct Subjects {
    std::optional<std::vector<std::string>> users;
    std::optional<std::vector<std::string>> groups;
  };
  std::optional<std::uint64_t> version;
  std::optional<Subjects> allow;
  std::optional<Subjects> deny;
  std::optional<std::vector<std::string>> actions;
  std::optional<std::string> not_before;
  std::optional<std::string> not_after;
};

// Reads the JSON of SPEC.md §9.4. Code::malformed for anything that is not exactly of that form, naming the
// member.
Result<PolicyMembers> read_policy_members(ByteView json);

}  // namespace coprotect::protocol
