#include "provisioning/key_states.h"

#include <algorithm>

#include "provisioning/clock.h"

namespace coprotect::provisioning {

using protocol::KeyList;
using protocol::KeyUse;

KeyList starting_list(const protocol::Bundle& first, std::int64_t now_ms) {
  KeyList list{.tenant = first.tenant(), .serial = 0, .time_ms = now_ms, .keys = {}};
  if (first.parameters()->purpose == protocol::Purpose::envelope)
    list.keys.push_back({first.key_id(), KeyUse::encrypts, now_ms});
  return list;
}

Result<KeyList> with_use(KeyList list, const protocol::KeyId& key_id, KeyUse use, std::int64_t effective_ms,
                         std::int64_t now_ms) {
  const KeyList::Entry next{key_id, use, effective_ms};
  const auto present = std::ranges::find(list.keys, key_id, &KeyList::Entry::key_id);
  const bool was_destroyed = present != list.keys.end() && present->use == KeyUse::destroyed;
  if (was_destroyed && use != KeyUse::destroyed && present->effective_ms <= now_ms)
    return Error(Code::conflict, "key " + to_hex(key_id) + " was destroyed on " +
                                     utc_text(present->effective_ms) + ": its shares are erased");
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

}  // namespace coprotect::provisioning
