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
  std::string name;                 // its name in configurations: a-z, 0-9, hyphens
  std::filesystem::path directory;  // the folder that onboard made
  std::filesystem::path cloud_invitation;
  std::filesystem::path company_invitation;
  protocol::Purpose purpose = protocol::Purpose::derive;
  protocol::SuiteId suite = protocol::SuiteId::p256;
  bool same_host = false;
};

// Makes a further key for an onboarded company with the same agents, client CA and clients. Its folder is
// keys/NAME in the company's folder. It has its own recovery code, kit and recovery administrator. It can be
// run again with the same invitations after any failure or crash: it then finishes what was committed, or
// clears what was not and starts over. Earlier keys are not touched.
Status add_key(const AddKeyOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

// The same for a company whose folder is open, with its agents' invitations already read.
Result<protocol::Bundle> make_further_key(const AddKeyOptions& options, Registry& registry,
                                          std::span<InvitedAgent> agents, const Operator& person,
                                          std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
