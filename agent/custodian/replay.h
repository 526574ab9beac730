#pragma once

#include "agent/custodian/store.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// Prevents replays: keeps the nonces of each client's key until their requests would be too old anyway. They
// survive a restart.
namespace replay {

// Loads what is known of forgotten nonces; afterwards the list of rows has it.
Status load(Transaction& transaction);
// Code::stale if the request is outside the window around `now_ms`, Code::replayed if its nonce is known.
// This early check only saves work; claim() decides.
Status look(Transaction& transaction, const Digest& client, const protocol::Request& request,
            std::int64_t now_ms);
// Records the nonce in the transaction that records the intent. Code::replayed if another request used it
// first.
Status claim(Transaction& transaction, const Digest& client, const protocol::Request& request,
             std::int64_t running_ms);
// Forgets nonces of requests that the window rejects, by the clock with one extra window, and by the time
// that the agent has run since (running_time.h). Setting the clock forward for a while forgets nothing.
// Setting it far back lets no request be answered again: look() rejects every request that is not newer than
// a forgotten one of the same client.
Status prune(Transaction& transaction, std::int64_t now_ms, std::int64_t running_ms);

}  // namespace replay
}  // namespace coprotect::agent::custodian
