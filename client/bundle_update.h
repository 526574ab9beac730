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

// Whether agents with t shares of the epoch before the bundle's newest version show that version or a bundle
// that extends it. If so, no handover undoes it. An agent that held the key before shows a version only after
// every agent of that version acknowledged it, and then no abort undoes it. An agent that joined with the
// version may show it earlier, and does not count. Hostile agents hold fewer than t shares, so at least one
// of the agents that count is honest.
bool shown_by_quorum(const protocol::Bundle& bundle, const std::vector<ShownBundle>& shown);

// The bundle with which a client without any bundle of the key begins: the newest that a quorum shows. If
// there is none, the bundle of the key generation, which key_id pins. `shown` is not empty.
protocol::Bundle first_bundle(const std::vector<ShownBundle>& shown);

// A key's history as agents show it. A handover that was undone after all parties had confirmed it leaves a
// fully signed version. Only its agents know that it is void, and a hostile agent can show it.
struct ShownHistory {
  // The client's own bundle, or the newest bundle that extends it and that a quorum shows.
  protocol::Bundle confirmed;
  // The other bundles that extend `confirmed`: most widely shown first, then newest first. At most
  // kMaxCandidates.
  std::vector<protocol::Bundle> candidates;
};
constexpr std::size_t kMaxCandidates = 16;

// Asks the agents that `own` names, and those that newer versions name. An agent that shows less than others
// is behind, which is not an error. If no agent shows a newer version: Code::altered, naming the agent, if
// one shows a history that does not continue from `own`; Code::bad_proof if one shows something that is not a
// bundle of the key; Code::unavailable and others if no agent shows any.
Result<ShownHistory> ask_history(const protocol::Bundle& own, const Credentials& credentials,
                                 std::chrono::milliseconds deadline);

}  // namespace coprotect::client
