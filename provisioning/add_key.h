#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "provisioning/invited_agent.h"
#include "provisioning/operator.h"
#include "provisioning/registry.h"

namespace coprotect::provisioning {

struct AddKeyOptions {
  std::string name;                 // what configurations call it: a-z, 0-9, hyphens
  std::filesystem::path directory;  // what onboard left
  std::filesystem::path cloud_invitation;
  std::filesystem::path company_invitation;
  protocol::Purpose purpose = protocol::Purpose::derive;
  protocol::SuiteId suite = protocol::SuiteId::p256;
  bool same_host = false;
};

// Makes a further key of an onboarded company with the same agents, client CA and clients; its folder is
// keys/NAME in the company's. It has a recovery code, a kit and a recovery administrator of its own. May be
// run again after any failure or crash, with the same invitations: it finishes what was committed, or clears
// what was not and begins anew. Earlier keys are not touched.
Status add_key(const AddKeyOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

// The same for a company whose folder is open, with its agents' invitations, which were read.
Result<protocol::Bundle> make_further_key(const AddKeyOptions& options, Registry& registry,
                                          std::span<InvitedAgent> agents, const Operator& person,
                                          std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
