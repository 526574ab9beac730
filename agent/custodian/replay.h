#pragma once

#include "agent/custodian/store.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// Answers no request twice: nonces are kept, for each client's key, until their request would be too old
// anyway. They survive a restart.
namespace replay {

// Code::stale if the request is outside the window around `now_ms`, Code::replayed if its nonce is known. An
// early look, that spares work; what counts is claim().
Status look(Transaction& transaction, const Digest& client, const protocol::Request& request,
            std::int64_t now_ms);
// Takes the nonce, in the transaction that records the intent. Code::replayed if somebody was faster.
Status claim(Transaction& transaction, const Digest& client, const protocol::Request& request);
// Forgets nonces whose requests the window refuses, with a window to spare for a clock that is set back.
Status prune(Transaction& transaction, std::int64_t now_ms);

}  // namespace replay
}  // namespace coprotect::agent::custodian
