#pragma once

#include "agent/custodian/clients.h"
#include "agent/custodian/contacts.h"
#include "agent/custodian/drills.h"
#include "agent/custodian/held_erasures.h"
#include "agent/custodian/parts_checks.h"
#include "protocol/message/handover.h"

namespace coprotect::agent::custodian {

// What this agent reports about a key besides its epoch: when its recovery was last seen to work, and any
// problem with its recovery, contacts or erasure. An administrator gets it in a signed reply. Any client that
// may read the key gets it in health.
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

  // The texts are valid for a status, whatever they quote. Begins a transaction for a key that is erased.
  Condition of(const Key& key) const;

 private:
  // Whether every copy of a share of the key has become unusable.
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
