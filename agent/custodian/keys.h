#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "agent/custodian/store.h"
#include "hsm/keyring.h"
#include "hsm/share_keeper.h"
#include "protocol/dkg/bundle.h"
#include "protocol/message/invitation.h"

namespace coprotect::agent::custodian {

enum class KeyState : std::uint8_t { prepared = 2, active = 3 };

// A key that this agent holds shares of. Prepared: its share is durable, but the ceremony may still end
// without a key. Active: it has a complete bundle and serves requests.
struct Key {
  KeyState state;
  protocol::InvitationId invitation;  // of the ceremony that made it
  protocol::PublicTranscript transcript;
  std::optional<protocol::Bundle> bundle;  // if active
  std::map<std::uint8_t, Bytes> shares;    // sealed, by index
  Bytes recovery_blob;                     // empty until stored
  std::size_t self;                        // this agent's position among the parties

  const protocol::KeyId& key_id() const { return transcript.key_id(); }
  const protocol::Sid& sid() const { return parameters().sid(); }
  const std::string& tenant() const { return parameters()->tenant; }
  const protocol::Certificate& client_ca() const { return parameters()->client_ca; }
  const protocol::Parameters& parameters() const { return transcript.parameters(); }
  std::uint32_t epoch() const { return bundle ? bundle->epoch() : 0; }
  hsm::ShareId share_id(std::uint8_t index) const;
  // Whether its shares were erased because it was destroyed. Its row stays, so that nothing brings it back.
  bool erased() const { return state == KeyState::active && shares.empty(); }
};
using KeyPtr = std::shared_ptr<const Key>;

// All keys of this agent, parsed and in memory, and their rows in the store. A row is under a MAC as a whole,
// since every column of it authorises something. Active keys of a tenant have one client CA: the first
// one's.
class Keys {
 public:
  explicit Keys(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads every row. Code::altered names a row whose MAC does not hold.
  Status load(Transaction& transaction);
  // Inserts or replaces; seen by others once the transaction is committed. Code::conflict for a tenant with
  // another client CA.
  Status put(Transaction& transaction, KeyPtr key);
  Status remove(Transaction& transaction, const Key& key);

  // Null if there is none.
  KeyPtr active(const protocol::KeyId& key_id) const;
  KeyPtr with_sid(const protocol::Sid& sid) const;
  KeyPtr of_invitation(const protocol::InvitationId& invitation) const;
  // An active key of the tenant: whichever, for its client CA.
  KeyPtr active_of_tenant(std::string_view tenant) const;
  std::vector<KeyPtr> all_active() const;
  bool empty() const;
  // Code::conflict if the tenant has an active key under another client CA.
  Status check_authority(const std::string& tenant, const protocol::Certificate& client_ca) const;

 private:
  template <typename Predicate>
  KeyPtr find(Predicate predicate) const;

  const hsm::Keyring& keyring_;
  mutable std::shared_mutex mutex_;
  std::map<protocol::KeyId, KeyPtr> keys_;
};

}  // namespace coprotect::agent::custodian
