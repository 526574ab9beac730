#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::protocol {

// The members of a policy as written, each with the right type and size. The caller still checks what the
// texts mean.
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

// Reads the JSON of SPEC.md §9.4. Code::malformed, naming the member, for anything that is not exactly of
// that form.
Result<PolicyMembers> read_policy_members(ByteView json);

}  // namespace coprotect::protocol
