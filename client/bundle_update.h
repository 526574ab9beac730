#pragma once

#include <chrono>
#include <vector>

#include "client/enrolment.h"

namespace coprotect::client {

// A key's bundle as one agent shows it.
struct ShownBundle {
  protocol::PublicKeyBytes agent;  // its identity key
  protocol::Bundle bundle;
};

// Whether agents with t shares of the epoch before the bundle's newest version show that version, or what
// extends it: then no handover takes it back. An agent that held the key before shows a version only once
// every agent of it acknowledged it, and then no abort undoes it; one that joined by it may show it earlier,
// and does not count. Fewer than t shares are with hostile agents, so one of those that count tells the
// truth.
bool shown_by_quorum(const protocol::Bundle& bundle, const std::vector<ShownBundle>& shown);

// The bundle with which a client begins that has none of the key: the newest that a quorum shows, or else the
// one of its generation, which its key_id pins. `shown` is not empty.
protocol::Bundle first_bundle(const std::vector<ShownBundle>& shown);

// What agents show of a key's history. A handover that was taken back after all parties had confirmed it
// leaves a version that is fully signed: only its agents know that it is void, and a hostile one can show it.
struct ShownHistory {
  // The client's own bundle, or the newest that extends it and that a quorum shows.
  protocol::Bundle confirmed;
  // The others that extend `confirmed`: first what most agents show, then the newer one. At most
  // kMaxCandidates.
  std::vector<protocol::Bundle> candidates;
};
constexpr std::size_t kMaxCandidates = 16;

// Asks the agents that `own` names, and those that newer versions of it name. An agent that shows less than
// others is behind, which is no error. If no agent shows a newer version: Code::altered, naming the agent, if
// one shows a history that does not go on from `own`; Code::bad_proof if what one shows is no bundle of the
// key; Code::unavailable and others if nobody shows any.
Result<ShownHistory> ask_history(const protocol::Bundle& own, const Credentials& credentials,
                                 std::chrono::milliseconds deadline);

}  // namespace coprotect::client
