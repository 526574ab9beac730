#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "protocol/handover/plan.h"

namespace coprotect::protocol {

// An organisation's part in a quorum: its agents, or its recovery code.
struct OrganisationPart {
  PublicKeyBytes organisation;
  OrganisationKind kind;
  friend auto operator<=>(const OrganisationPart&, const OrganisationPart&) = default;
};

// Organisations that can use a key together, each with the part that it contributes (SPEC.md §13.7).
using OrganisationQuorum = std::set<OrganisationPart>;

// How many shares of an epoch each part holds, and how many are needed.
struct PartShares {
  std::map<OrganisationPart, std::size_t> shares;
  std::size_t t;
  static PartShares of(const Parameters& parameters);
  friend bool operator==(const PartShares&, const PartShares&) = default;
};

// Limits what a person must read to judge a change, and the work of writing it (SPEC.md §13.7). An epoch that
// a handover makes has at most kMaxQuorums minimal quorums. Its description has at most kMaxWords bytes.
constexpr std::size_t kMaxQuorums = 64;
constexpr std::size_t kMaxWords = std::size_t{48} << 10;

// The minimal quorums of an epoch: each needs all its parts. If there are more than kMaxQuorums, returns
// kMaxQuorums + 1 of them and stops looking.
std::set<OrganisationQuorum> minimal_quorums(const PartShares& epoch);

// Code::denied if the epoch has more than kMaxQuorums minimal quorums.
Status check_quorum_count(const PartShares& epoch);
// Code::denied if a text that describes a change is longer than kMaxWords.
Status check_word_count(std::string_view words);

// What a plan changes about who can use the key.
struct QuorumChange {
  std::set<OrganisationQuorum> after;  // the minimal quorums of the plan's epoch
  // The new ones: those of `after` whose parts cannot use the key together in the present epoch.
  std::set<OrganisationQuorum> gained;
  // Minimal quorums of the present epoch that cannot use the key in the plan's epoch.
  std::set<OrganisationQuorum> lost;
  bool more_lost = false;  // `lost` may be incomplete: the present epoch has more than kMaxQuorums
};
QuorumChange quorum_change(const PartShares& now, const PartShares& next);

// In words, the quorums that an epoch with these shares has and the present one lacks. An organisation
// without a part in the present epoch is named by its whole fingerprint. Empty if there are none.
std::string news_in_words(const Parameters& now, const PartShares& next);

// The sentence that allows the new quorums. A person must repeat it, word for word, to propose such a plan.
// It also names new dangers: that no recovery code is left, or that the loss of one holder loses the key.
// Empty if there is neither. An organisation without a part in the present epoch is called unknown and named
// by its whole fingerprint.
std::string allowance(const Parameters& now, const Parameters& next);

// A plan in words.
struct PlanInWords {
  // The text for everybody who is asked to consent: organisations with their whole fingerprints, holders and
  // what becomes of them, the recovery code, and the quorums. Lines of printable ASCII, each ended by a line
  // feed. All agents that hold the key produce the same text.
  std::string text;
  std::string news;  // allowance()
};
// Code::denied if the epoch has more than kMaxQuorums quorums or the text more than kMaxWords bytes. The plan
// must follow `now`.
Result<PlanInWords> plan_in_words(const Sharing& now, const HandoverPlan& plan);
// The same text before there is a plan. Ignores the nonces and ceremony keys of `next`.
std::string describe_change(const Sharing& now, const Parameters& next);

}  // namespace coprotect::protocol
