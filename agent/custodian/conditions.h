#pragma once

#include "agent/custodian/clients.h"
#include "agent/custodian/contacts.h"
#include "agent/custodian/drills.h"
#include "agent/custodian/held_erasures.h"
#include "agent/custodian/parts_checks.h"
#include "protocol/message/handover.h"

namespace coprotect::agent::custodian {

// What this agent can say of a key besides its epoch: when its recovery was last seen to work, and what is
// wrong with its recovery, its contacts or its erasure. An administrator reads it in a signed reply, anybody
// who may read the key in health.
class Conditions {
 public:
  using Condition = protocol::HandoverStatus::Condition;

  // All outlive it.
  Conditions(const PartsChecks& parts_checks, const Drills& drills, const ClientLists& clients,
             const Contacts& contacts, const HeldErasures& held, Store& store, const Keys& keys)
      : parts_checks_(parts_checks),
        drills_(drills),
        clients_(clients),
        contacts_(contacts),
        held_(held),
        store_(store),
        keys_(keys) {}

  // The texts have the form of a status, whatever they quote. Begins a transaction for a key that is erased.
  Condition of(const Key& key) const;

 private:
  // Whether no copy of a share of the key can be opened any more.
  bool is_erased(const Key& key) const;

  const PartsChecks& parts_checks_;
  const Drills& drills_;
  const ClientLists& clients_;
  const Contacts& contacts_;
  const HeldErasures& held_;
  Store& store_;
  const Keys& keys_;
};

}  // namespace coprotect::agent::custodian
