#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <shared_mutex>

#include "agent/custodian/keys.h"
#include "agent/custodian/running_time.h"
#include "protocol/message/key_list.h"
#include "protocol/message/list_serial.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// A tenant's key list as its CA signed it.
struct SignedKeyList {
  protocol::KeyList list;
  Bytes encoded;
};
using SignedKeyListPtr = std::shared_ptr<const SignedKeyList>;

// What each tenant's keys may be used for (protocol/SPEC.md §10). A list applies only to its own tenant's
// keys: an entry for a key_id that this agent holds for another tenant is kept as signed, has no effect and
// changes no answer.
class KeyLists {
 public:
  // `destroy_wait`: the shortest time from the list that destroys a key to the erasure of its shares.
  KeyLists(const hsm::Keyring& keyring, const Keys& keys, const RunningTime& running,
           std::chrono::milliseconds destroy_wait)
      : keyring_(keyring), keys_(keys), running_(running), destroy_wait_(destroy_wait) {}

  // Reads every row. Code::altered names a row whose MAC does not verify or that belongs to no key.
  Status load(Transaction& transaction);
  // Code::conflict if the list's serial may not follow the current one's (protocol/message/list_serial.h), if
  // it omits a key, or if it brings back a key whose shares this agent has erased. Code::denied if it
  // destroys a key without the waiting time. Code::malformed if it lets a key encrypt that is not for files.
  // A list that was not `missed`, and directly follows the current one, must leave this agent its waiting
  // time. Otherwise the waiting time begins now, whatever the list says, and the list is not refused for a
  // date that was announced to others.
  Status put(Transaction& transaction, SignedKeyListPtr keys, std::int64_t now_ms, bool missed = false);

  // Null if the tenant has no list.
  SignedKeyListPtr of_tenant(std::string_view tenant) const;
  // Code::denied, with the reason, if the key may not be used for this operation.
  Status check(const Key& key, protocol::Operation operation) const;
  bool disabled(const Key& key) const;
  // Code::denied if the tenant's list destroys the key: this agent must then get no share of it.
  Status check_not_destroyed(std::string_view tenant, const protocol::KeyId& key_id) const;
  // Whether the key is destroyed and its waiting time is over, by the wall clock and by the time that this
  // agent has run since it accepted the list.
  bool due(const Key& key, std::int64_t now_ms) const;

 private:
  Digest mac(std::string_view tenant, ByteView list) const;
  // This agent's key, with its shares if it has any; null if it has none, or it is another tenant's.
  KeyPtr own_key(std::string_view tenant, const protocol::KeyId& key_id) const;
  // Whether an entry of the tenant's current list is irrevocable: this agent has begun to erase its shares of
  // the key.
  bool is_final(std::string_view tenant, const protocol::KeyList::Entry& entry) const;
  // The current list's entry for the key, if any.
  std::optional<protocol::KeyList::Entry> entry_of(const Key& key) const;
  Status check_successor(const protocol::KeyList& present, const protocol::KeyList& next) const;
  Status check_waiting(const protocol::KeyList* present, const protocol::KeyList& next,
                       std::int64_t now_ms) const;
  Status check_purposes(const protocol::KeyList& next) const;
  // A pending destruction: the date in its list, and the counted running time before which it is not carried
  // out.
  struct Destruction {
    std::int64_t effective_ms;
    std::int64_t running_ms;
  };
  Digest mac(const protocol::KeyId& key_id, const Destruction& destruction) const;
  Status load_destructions(Transaction& transaction);
  Status put_destructions(Transaction& transaction, const protocol::KeyList& next, std::int64_t now_ms);
  // Whether a destroying entry has taken effect.
  bool has_come(const protocol::KeyList::Entry& entry, std::int64_t now_ms) const;

  const hsm::Keyring& keyring_;
  const Keys& keys_;
  const RunningTime& running_;
  const std::chrono::milliseconds destroy_wait_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, SignedKeyListPtr, std::less<>> lists_;
  // For keys that this agent holds and their own tenants destroy.
  std::map<protocol::KeyId, Destruction> destructions_;
};

}  // namespace coprotect::agent::custodian
