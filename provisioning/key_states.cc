#include "provisioning/key_states.h"

#include <algorithm>

namespace coprotect::provisioning {

using protocol::KeyList;
using protocol::KeyUse;

KeyList starting_list(const protocol::Bundle& first, std::int64_t now_ms) {
  KeyList list{.tenant = first.tenant(), .serial = 0, .time_ms = now_ms, .keys = {}};
  if (first.parameters()->purpose == protocol::Purpose::envelope)
    list.keys.push_back({first.key_id(), KeyUse::encrypts, now_ms});
  return list;
}

KeyList with_use(KeyList list, const protocol::KeyId& key_id, KeyUse use, std::int64_t effective_ms) {
  const KeyList::Entry next{key_id, use, effective_ms};
  const auto present = std::ranges::find(list.keys, key_id, &KeyList::Entry::key_id);
  if (use != KeyUse::encrypts) {
    if (present == list.keys.end())
      list.keys.push_back(next);
    else
      *present = next;
    return list;
  }
  if (present != list.keys.end()) list.keys.erase(present);
  if (list.encrypting() != nullptr)
    list.keys.front() = {list.keys.front().key_id, KeyUse::decrypt_only, effective_ms};
  list.keys.insert(list.keys.begin(), next);
  return list;
}

KeyList over_forked(KeyList folder, const std::vector<KeyList>& forked) {
  folder.serial = forked.front().serial;
  for (const KeyList& list : forked)
    for (KeyList::Entry entry : list.keys) {
      if (folder.find(entry.key_id) != nullptr) continue;
      if (entry.use == KeyUse::encrypts) entry.use = KeyUse::decrypt_only;
      if (entry.use == KeyUse::destroyed) entry.use = KeyUse::disabled;
      folder.keys.push_back(entry);
    }
  // An agent whose list does not destroy the key refuses a near time in a list with the next number. So the
  // list skips a number.
  if (std::ranges::find(folder.keys, KeyUse::destroyed, &KeyList::Entry::use) != folder.keys.end())
    ++folder.serial;
  return folder;
}

KeyList with_destroyed(KeyList over, const std::vector<KeyList>& forked) {
  for (const KeyList& list : forked)
    for (const KeyList::Entry& entry : list.keys)
      if (entry.use == KeyUse::destroyed)
        *std::ranges::find(over.keys, entry.key_id, &KeyList::Entry::key_id) = entry;
  return over;
}

std::vector<protocol::KeyId> keys_not_of(const KeyList& list, std::span<const FurtherKey> keys) {
  std::vector<protocol::KeyId> strangers;
  for (const KeyList::Entry& entry : list.keys)
    if (std::ranges::none_of(keys, [&](const auto& key) { return key.bundle.key_id() == entry.key_id; }))
      strangers.push_back(entry.key_id);
  return strangers;
}

}  // namespace coprotect::provisioning
