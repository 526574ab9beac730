#pragma once

#include <span>
#include <vector>

#include "protocol/message/key_list.h"
#include "provisioning/further_keys.h"

namespace coprotect::provisioning {

// How each key list follows from the one before. No I/O. Registry handles serial and signature.

// The state without any list: the first key encrypts if it is for files. Serial 0.
protocol::KeyList starting_list(const protocol::Bundle& first, std::int64_t now_ms);

// The list with another use for one key from `effective_ms` on. A key that is to encrypt becomes the newest,
// and the previous one then only decrypts. Whether a destroyed key may get another use is up to its agents:
// after erasing its shares they refuse such a list.
protocol::KeyList with_use(protocol::KeyList list, const protocol::KeyId& key_id, protocol::KeyUse use,
                           std::int64_t effective_ms);

// The list to sign when there are several lists with one serial number (`forked`), none of which can be
// trusted. It contains the folder's entries and the keys that only forked lists name, because no agent
// accepts a list that omits one. Of the latter, none encrypts and none is destroyed. Its serial number allows
// a successor.
protocol::KeyList over_forked(protocol::KeyList folder, const std::vector<protocol::KeyList>& forked);

// The same, with everything that a forked list destroys. For agents that have erased the shares and so accept
// no other list.
protocol::KeyList with_destroyed(protocol::KeyList over, const std::vector<protocol::KeyList>& forked);

// The keys of the list that are not among `keys`, which have a folder.
std::vector<protocol::KeyId> keys_not_of(const protocol::KeyList& list, std::span<const FurtherKey> keys);

}  // namespace coprotect::provisioning
