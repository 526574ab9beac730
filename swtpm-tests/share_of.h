#pragma once

#include "protocol/bundle/bundle.h"
#include "protocol/crypto/ecdsa.h"
#include "protocol/group/scalar.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {

// The share that an agent holds, which it never gives out: opened with the agent's own token from a copy of
// its store, and checked against the bundle. Fails with an exception.
struct AgentShare {
  std::uint8_t index;
  protocol::Scalar share;
};
AgentShare share_of(const Agent& agent);

// Its identity key, taken from its keyring in the same way.
protocol::SigningKey identity_of(const Agent& agent);

// The bundle that an onboarded system was given.
protocol::Bundle bundle_of(const System& system);

}  // namespace coprotect::harness
