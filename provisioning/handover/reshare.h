#pragma once

#include <string>

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

struct ReshareOptions : KeyOptions {
  std::optional<std::uint8_t> threshold;           // as it is, if none
  std::vector<std::filesystem::path> invitations;  // of every agent that joins
  std::vector<std::string> our_agents;             // names of agents that join and are the company's own
  std::vector<std::string> leave;                  // names of agents that are to hold no share any more
  std::filesystem::path kit;                       // with its code, if too few present holders can deal
};

// Other holders of a key, or another threshold. Who is invited joins, in the place of a holder of the same
// name or after the others; who is to leave, leaves; the rest stay. The operators of the agents that deal
// approve. The recovery share stays under its code. May be repeated with the same options, also after a crash
// at any step.
Status reshare(const ReshareOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
