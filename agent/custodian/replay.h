#pragma once

#include "agent/custodian/store.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// Answers no request twice: nonces are kept, for each client's key, until their request would be too old
// anyway. They survive a restart.
namespace replay {

// Reads what is known of forgotten nonces; from then on the list of rows has it.
Status load(Transaction& transaction);
// Code::stale if the request is outside the window around `now_ms`, Code::replayed if its nonce is known. An
// early look, that spares work; what counts is claim().
Status look(Transaction& transaction, const Digest& client, const protocol::Request& request,
            std::int64_t now_ms);
// Takes the nonce, in the transaction that records the intent. Code::replayed if somebody was faster.
Status claim(Transaction& transaction, const Digest& client, const protocol::Request& request,
             std::int64_t running_ms);
// Forgets nonces whose requests the window refuses: by the clock, with a window to spare, and by the time
// that the agent has run since (running_time.h). A clock that was set forward for a while makes it forget
// nothing, and one that is set far back makes it answer nothing again: look() refuses whatever is not newer
// than a forgotten request of the same client.
Status prune(Transaction& transaction, std::int64_t now_ms, std::int64_t running_ms);

}  // namespace replay
}  // namespace coprotect::agent::custodian
