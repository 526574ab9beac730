#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "protocol/bundle/bundle.h"
#include "provisioning/invited_agent.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// The two invitations with which a key generation begins, and operations on both agents together.

// Reads an invitation of any agent from its file.
Result<InvitedAgent> read_invitation(const std::filesystem::path& file);
// Reads the files of the cloud's and of the company's operator, in this order. Code::conflict if one has the
// other role.
Result<std::vector<InvitedAgent>> read_invitations(const std::filesystem::path& cloud,
                                                   const std::filesystem::path& company);
// A machine that sees two shares can use the key, and this machine sees the recovery share.
void warn_if_agents_host(std::span<const InvitedAgent> agents, const Operator& person);
// Code::denied names the one that has expired.
Status check_not_expired(std::span<const InvitedAgent> agents, std::int64_t now_ms);
// Code::conflict unless these agents hold the bundle's shares.
Status check_same_agents(const protocol::Bundle& bundle, std::span<const InvitedAgent> agents);
// Clears what earlier runs left, so that a new ceremony can begin. Code::conflict if the invitations have
// already made a key.
Status clear_agents(std::span<InvitedAgent> agents, Random& random);
// May be repeated.
Status activate_at_all(std::span<InvitedAgent> agents, const protocol::Bundle& bundle);

}  // namespace coprotect::provisioning
