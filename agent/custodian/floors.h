#pragma once

#include <map>
#include <string>

#include "agent/custodian/tenant_lists.h"

namespace coprotect::agent::custodian {

// What this agent had once, by its own word that others kept: the least epoch of a key and the least serial
// of a list that it may still work with. Rows under a MAC; they only rise.
class Floors {
 public:
  explicit Floors(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads every row. Code::altered names one whose MAC does not hold.
  Status load(Transaction& transaction);
  // What of `state` is above these floors and above what the agent has; empty if it is not older than that.
  protocol::PeerState above(const protocol::PeerState& state, const Keys& keys,
                            const TenantLists& lists) const;
  // Raises the floors to what above() found.
  Status raise(Transaction& transaction, const protocol::PeerState& found);

  // The least epoch that the agent may serve the key in; 0 if any.
  std::uint32_t epoch(const protocol::KeyId& key_id) const;
  // What this agent said of the key's epochs, as far as its store lost that: it stays bound by it. Zeros if
  // nothing.
  protocol::PeerState::Said said(const protocol::KeyId& key_id) const;
  // Code::unavailable if the key's share is an older one.
  Status check(const Key& key) const;
  // Code::unavailable if one of the tenant's lists is an older one.
  Status check(const std::string& tenant, const TenantLists& lists) const;

 private:
  enum class Kind : std::uint8_t { key = 1, client_list = 2, key_list = 3, acknowledged = 4, decided = 5 };
  using Name = std::pair<Kind, Bytes>;
  static Name name_of(const protocol::PeerState::List& list);
  // As the store's list of rows has it.
  static Bytes row_name(const Name& name);
  std::uint64_t least(const Name& name) const;
  Status put(Transaction& transaction, const Name& name, std::uint64_t least);
  Digest mac(const Name& name, std::uint64_t least) const;

  const hsm::Keyring& keyring_;
  mutable std::shared_mutex mutex_;
  std::map<Name, std::uint64_t> floors_;
};

}  // namespace coprotect::agent::custodian
