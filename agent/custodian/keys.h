#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "agent/custodian/due_epochs.h"
#include "hsm/keyring.h"
#include "hsm/share_keeper.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/handover.h"
#include "protocol/message/invitation.h"

namespace coprotect::agent::custodian {

enum class KeyState : std::uint8_t { prepared = 2, active = 3, superseded = 4, left = 5, shelved = 6 };

// A key in one epoch, as this agent holds it. Its state is one of:
//
// - Prepared: its share is durable, but the ceremony may still end without it.
// - Active: it has a complete bundle and serves requests.
// - Superseded: a newer epoch is active here, but not known to be active everywhere. It serves clients that
// do
//   not know the newer one.
// - Left: other parties hold the key now. Only the bundle is left, which names them.
// - Shelved: it was active, and this agent reverted because another agent stated that the epoch never will
// be.
//   Its shares are kept in case that statement was false and all had acknowledged the epoch.
struct Key {
  KeyState state;
  protocol::InvitationId invitation;  // of its ceremony, or of the last one that needed an invitation
  protocol::Sharing sharing;
  std::optional<protocol::Bundle> bundle;  // up to this epoch; none while prepared
  Bytes preparation;                       // while prepared: the data for its bundle (key_row.h)
  std::map<std::uint8_t, Bytes> shares;    // sealed, by index
  Bytes recovery_blob;                     // empty until stored
  Bytes recovery_parts;   // of this epoch, sealed (kept_parts.h); empty without a recovery party
  std::uint32_t decided;  // newest epoch confirmed or voided here; it never confirms another one
  std::size_t self;       // this agent's position among the parties, unless it left
  std::vector<protocol::Statement> acknowledgements = {};  // of all agents of this epoch, once seen

  const protocol::KeyId& key_id() const { return sharing.key_id; }
  const protocol::Sid& sid() const { return sharing.sid; }
  const std::string& tenant() const { return parameters()->tenant; }
  const protocol::Certificate& client_ca() const { return parameters()->client_ca; }
  const protocol::Parameters& parameters() const { return sharing.parameters; }
  std::uint32_t epoch() const { return sharing.epoch; }
  hsm::ShareId share_id(std::uint8_t index) const;
  // Whether its shares were erased because it was destroyed. The row stays, so that the key cannot come back.
  bool erased() const { return state == KeyState::active && shares.empty(); }
};
// Key::self of an agent that left.
constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
using KeyPtr = std::shared_ptr<const Key>;

// All keys of this agent in all epochs, parsed in memory, and their rows in the store. One MAC covers each
// whole row, because every column authorises something. All active keys of a tenant have the same client CA:
// that of the first one.
class Keys {
 public:
  Keys(const hsm::Keyring& keyring, DueEpochs& due) : keyring_(keyring), due_(due) {}

  // Reads every row. Code::altered names a row whose MAC does not verify, or a key that is active twice: then
  // an older row was restored.
  Status load(Transaction& transaction);
  // Reads the key's current row from the disk; load() may have read it long ago. Code::altered if the row is
  // gone or its MAC does not verify.
  Result<Key> stored(Transaction& transaction, const Key& key) const;
  // Inserts the row, or replaces the row of the same ceremony. Other threads see it once the transaction is
  // committed. Code::conflict for a tenant with another client CA, or if another handover made this epoch
  // here.
  Status put(Transaction& transaction, KeyPtr key);
  Status remove(Transaction& transaction, const Key& key);

  // Null if there is none. A key is active in at most one epoch, and prepared in at most one later epoch.
  KeyPtr active(const protocol::KeyId& key_id) const;
  KeyPtr prepared(const protocol::KeyId& key_id) const;
  // The key as it serves this epoch: active, or superseded but not yet gone. Otherwise the active one.
  KeyPtr serving(const protocol::KeyId& key_id, std::uint32_t epoch) const;
  // Oldest first.
  std::vector<KeyPtr> superseded(const protocol::KeyId& key_id) const;
  std::vector<KeyPtr> shelved(const protocol::KeyId& key_id) const;
  // The keys whose shares are erased with the last acknowledgement of this epoch: all that were active before
  // it.
  std::vector<KeyPtr> before(const Key& key) const;
  // The newest epoch that this agent acknowledged and has shares of; 0 if none.
  std::uint32_t acknowledged(const protocol::KeyId& key_id) const;
  // The key as this agent handed it on, if it holds no share of it any more.
  KeyPtr left(const protocol::KeyId& key_id) const;
  // The epoch to report to others: the newest that is active at all parties, as far as this agent knows.
  KeyPtr published(const protocol::KeyId& key_id) const;
  // The key in its newest epoch, whatever its state.
  KeyPtr newest(const protocol::KeyId& key_id) const;
  KeyPtr with_sid(const protocol::Sid& sid) const;
  // The newest valid key that the invitation made.
  KeyPtr of_invitation(const protocol::InvitationId& invitation) const;
  // Any active, left or shelved key of the tenant, for its client CA.
  KeyPtr published_of_tenant(std::string_view tenant) const;
  // The same, or a key that is only prepared if the tenant has no other; for loading the lists of the store.
  // It grants nobody access.
  KeyPtr of_tenant(std::string_view tenant) const;
  std::vector<KeyPtr> all_active() const;
  // All keys with a share, in any state.
  std::vector<KeyPtr> all_with_shares() const;
  // All keys whose clients may connect: not those that are only prepared.
  std::vector<KeyPtr> all_published() const;
  // In all epochs and states, ascending.
  std::vector<KeyPtr> all_rows() const;
  bool empty() const;
  // Code::conflict if the tenant has an active key under another client CA.
  Status check_authority(const std::string& tenant, const protocol::Certificate& client_ca) const;

  // Epochs to be erased (epoch_erasure.h). put() and remove() add an epoch when they remove its shares.
  std::vector<hsm::EpochId> epochs_due(const Transaction& transaction) const;
  Status epoch_is_erased(Transaction& transaction, const hsm::EpochId& epoch);
  // Whether there may be some since the last call, or since the start.
  bool take_epochs_due() { return epochs_due_.exchange(false); }
  void note_epochs_due() { epochs_due_ = true; }

 private:
  using Place = std::pair<protocol::KeyId, std::uint32_t>;
  Result<Key> read(const Query& query) const;
  // As in the store's RowList.
  static Bytes name_of(const Place& place);
  Bytes mac_of(const Key& key) const;
  static Status check_place(Transaction& transaction, const Key& key);
  bool has_shares(const Place& place) const;
  Status end_epoch(Transaction& transaction, const Place& place);
  // The newest epoch that satisfies the predicate.
  template <typename Predicate>
  KeyPtr find(Predicate predicate) const;
  KeyPtr in_state(const protocol::KeyId& key_id, KeyState state) const;
  std::vector<KeyPtr> all_in_state(const protocol::KeyId& key_id, KeyState state) const;
  std::vector<KeyPtr> all(bool (*fits)(KeyState)) const;

  const hsm::Keyring& keyring_;
  DueEpochs& due_;
  mutable std::shared_mutex mutex_;
  std::map<Place, KeyPtr> keys_;
  std::atomic<bool> epochs_due_{true};
};

}  // namespace coprotect::agent::custodian
