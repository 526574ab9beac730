#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

struct ReshareOptions : KeyOptions {
  std::optional<std::uint8_t> threshold;  // as it is, if none
  std::vector<std::filesystem::path>
      invitations;                             // of every agent of the next epoch, in the order of indices
  std::vector<std::filesystem::path> leaving;  // of agents that are to deal and then hold none
  std::filesystem::path kit;  // with its code, if too few present holders can be reached to deal
};

// Other holders of a key, or another threshold: whoever is invited. One that holds a share stays, and its
// operator approves by the invitation; others join; who holds a share and is not invited leaves. The recovery
// share stays under its code. May be repeated with the same invitations, also after a crash at any step.
Status reshare(const ReshareOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
