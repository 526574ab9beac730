#pragma once

#include "agent/custodian/keys.h"
#include "protocol/handover/transcript.h"

namespace coprotect::agent::custodian {

// What every agent of the next epoch does with the deals, whether it held the key before or joins. Parses
// each deal.

// One parsed deal for each.
Result<std::vector<protocol::Deal>> parse_deals(std::span<const Bytes> encoded,
                                                const protocol::HandoverPlan& plan);

// The prepared key with its new shares sealed. `before` is the bundle that the plan follows, `self` the
// agent's position in the new epoch, `ceremony_key` the key of its offer. Code::bad_proof names the faulty
// dealer. The blob must be for the plan's recovery key; the maker of a new recovery key proves possession of
// the private key.
struct HandoverInputs {
  const protocol::Bundle& before;
  const protocol::HandoverPlan& plan;
  std::span<const protocol::Deal> deals;
  Bytes blob;        // empty if the key has no recovery party
  Bytes possession;  // with a new recovery key
  const protocol::HpkePrivateKey& ceremony_key;
  std::size_t self;
  protocol::InvitationId invitation;
};
Result<Key> prepare_key(HandoverInputs inputs, hsm::ShareKeeper& keeper);

// Whether these are the deals that the key was prepared from.
bool is_prepared_from(const Key& prepared, std::span<const Bytes> deals);

// Whether the bundle's newest version is byte for byte what the key was prepared from and this agent
// confirmed: its public shares match the shares sealed then.
bool completes(const protocol::Bundle& bundle, const Key& prepared);

// The confirmation of a key that a handover prepared.
Result<protocol::Signature> confirmation_of(const Key& prepared, const protocol::SigningKey& identity);

// The acknowledgement of an active key that a handover made.
protocol::Signature acknowledgement_of(const Key& active, const protocol::SigningKey& identity);

}  // namespace coprotect::agent::custodian
