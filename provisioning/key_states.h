#pragma once

#include <span>
#include <vector>

#include "protocol/message/key_list.h"
#include "provisioning/further_keys.h"

namespace coprotect::provisioning {

// How key lists follow each other. No I/O; serial and signature are Registry's.

// What holds while there is no list: the first key, if it is for files, encrypts. Serial 0.
protocol::KeyList starting_list(const protocol::Bundle& first, std::int64_t now_ms);

// The list with one key for another use from `effective_ms` on. A key that is to encrypt becomes the newest,
// and the one that did until then only decrypts. Whether a key that is destroyed can be anything else is for
// its agents to say: they refuse the list once they have erased shares.
protocol::KeyList with_use(protocol::KeyList list, const protocol::KeyId& key_id, protocol::KeyUse use,
                           std::int64_t effective_ms);

// What is to be signed over `forked` lists of one serial number, none of which is to be relied on: what the
// folder says, and beside it the keys that only they name, since no agent takes a list that leaves one out.
// Of these, none encrypts and none is destroyed. The result has a number that the next one can follow.
protocol::KeyList over_forked(protocol::KeyList folder, const std::vector<protocol::KeyList>& forked);

// The same with all that a forked list destroys: for agents that have erased the shares, and so take no
// other.
protocol::KeyList with_destroyed(protocol::KeyList over, const std::vector<protocol::KeyList>& forked);

// Those of the list that are none of these keys, which a folder has.
std::vector<protocol::KeyId> keys_not_of(const protocol::KeyList& list, std::span<const FurtherKey> keys);

}  // namespace coprotect::provisioning
