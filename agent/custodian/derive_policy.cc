#include "agent/custodian/derive_policy.h"

#include <algorithm>

namespace coprotect::agent::custodian {

using protocol::Action;

Status DerivePolicy::check(const protocol::Request& request, const protocol::ClientIdentity& client) const {
  if (request.action == Action::recover) return Done{};
  if (request.action != Action::view)
    return Error(Code::denied, "derive knows the actions view and recover only");
  const auto named = [this](const std::string& group) { return groups.contains(group); };
  const bool allowed = tenants.contains(client.tenant) || users.contains(client.uri) ||
                       std::any_of(client.groups.begin(), client.groups.end(), named);
  if (!allowed)
    return Error(Code::denied, "this agent's policy does not allow \"" + client.uri + "\" to derive");
  if (!purposes.empty() && !purposes.contains(request.reason))
    return Error(Code::denied, request.reason.empty()
                                   ? "this agent derives only for a stated purpose, and none is stated"
                                   : "this agent does not derive for the purpose \"" + request.reason + "\"");
  return Done{};
}

}  // namespace coprotect::agent::custodian
