#pragma once

#include "protocol/bundle/bundle.h"
#include "protocol/message/key_list.h"

namespace coprotect::provisioning {

// How key lists follow each other. No I/O; serial and signature are Registry's.

// What holds while there is no list: the first key, if it is for files, encrypts. Serial 0.
protocol::KeyList starting_list(const protocol::Bundle& first, std::int64_t now_ms);

// The list with one key for another use from `effective_ms` on. A key that is to encrypt becomes the newest,
// and the one that did until then only decrypts. Code::conflict if the key is destroyed, its waiting time is
// over at `now_ms`, and it is to be anything else.
Result<protocol::KeyList> with_use(protocol::KeyList list, const protocol::KeyId& key_id,
                                   protocol::KeyUse use, std::int64_t effective_ms, std::int64_t now_ms);

}  // namespace coprotect::provisioning
