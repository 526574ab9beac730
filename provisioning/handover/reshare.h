#pragma once

#include <string>

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

struct ReshareOptions : KeyOptions {
  std::optional<std::uint8_t> threshold;           // unchanged if absent
  std::vector<std::filesystem::path> invitations;  // one for every agent that joins
  std::vector<std::string> our_agents;             // names of agents that join and are the company's own
  std::vector<std::string> leave;                  // names of agents that are to hold no share any more
  std::filesystem::path kit;                       // used with its code if too few present holders can deal
};

// Changes the holders of a key, or its threshold. Each invited agent joins, in place of a holder of the same
// name or after the others. The named agents leave. The rest stay. The operators of the dealing agents
// approve. The recovery share stays under its code. May be repeated with the same options, also after a crash
// at any step.
Status reshare(const ReshareOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
