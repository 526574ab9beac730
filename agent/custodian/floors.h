#pragma once

#include <map>
#include <string>

#include "agent/custodian/tenant_lists.h"

namespace coprotect::agent::custodian {

// Lower bounds from this agent's own signed statements that peers kept: the lowest epoch of a key and the
// lowest serial of a list with which it may still work. The rows carry a MAC, and the values only rise.
class Floors {
 public:
  explicit Floors(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads every row. Code::altered names a row whose MAC does not verify.
  Status load(Transaction& transaction);
  // The parts of `state` above these floors and above what the agent has; empty if the agent is not older.
  protocol::PeerState above(const protocol::PeerState& state, const Keys& keys,
                            const TenantLists& lists) const;
  // Raises the floors to the result of above().
  Status raise(Transaction& transaction, const protocol::PeerState& found);

  // The lowest epoch in which the agent may serve the key; 0 for any.
  std::uint32_t epoch(const protocol::KeyId& key_id) const;
  // What this agent stated about the key's epochs and its store has lost: it stays bound by that. Zeros if
  // nothing.
  protocol::PeerState::Said said(const protocol::KeyId& key_id) const;
  // Code::unavailable if the key's share is below its floor.
  Status check(const Key& key) const;
  // Code::unavailable if a list of the tenant is below its floor.
  Status check(const std::string& tenant, const TenantLists& lists) const;

 private:
  enum class Kind : std::uint8_t { key = 1, client_list = 2, key_list = 3, acknowledged = 4, decided = 5 };
  using Name = std::pair<Kind, Bytes>;
  static Name name_of(const protocol::PeerState::List& list);
  // As in the store's RowList.
  static Bytes row_name(const Name& name);
  std::uint64_t least(const Name& name) const;
  Status put(Transaction& transaction, const Name& name, std::uint64_t least);
  Digest mac(const Name& name, std::uint64_t least) const;

  const hsm::Keyring& keyring_;
  mutable std::shared_mutex mutex_;
  std::map<Name, std::uint64_t> floors_;
};

}  // namespace coprotect::agent::custodian
