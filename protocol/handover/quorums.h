#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "protocol/handover/plan.h"

namespace coprotect::protocol {

// An organisation's part in a quorum: its agents, or the recovery code that it keeps.
struct OrganisationPart {
  PublicKeyBytes organisation;
  OrganisationKind kind;
  friend auto operator<=>(const OrganisationPart&, const OrganisationPart&) = default;
};

// Organisations that can use a key together, each by the part that is named (SPEC.md §13.7).
using OrganisationQuorum = std::set<OrganisationPart>;

// How many shares of an epoch each part holds, and how many are needed.
struct PartShares {
  std::map<OrganisationPart, std::size_t> shares;
  std::size_t t;
  static PartShares of(const Parameters& parameters);
  friend bool operator==(const PartShares&, const PartShares&) = default;
};

// What a person who is to judge a change is given to read has a limit, and so has the work of writing it: an
// epoch that a handover makes has at most so many minimal quorums, and its words at most so many bytes
// (SPEC.md §13.7).
constexpr std::size_t kMaxQuorums = 64;
constexpr std::size_t kMaxWords = std::size_t{48} << 10;

// The minimal quorums of an epoch: none of them can do without any of its parts. If there are more than
// kMaxQuorums, kMaxQuorums + 1 of them; the others are not looked for.
std::set<OrganisationQuorum> minimal_quorums(const PartShares& epoch);

// Code::denied if the epoch has more than kMaxQuorums minimal quorums.
Status check_quorum_count(const PartShares& epoch);
// Code::denied if a text that describes a change is longer than kMaxWords.
Status check_word_count(std::string_view words);

// What a plan changes about who can use the key.
struct QuorumChange {
  std::set<OrganisationQuorum> after;  // the minimal quorums of the plan's epoch
  // The plan's news: those of `after` whose parts could not use the key together in the present epoch.
  std::set<OrganisationQuorum> gained;
  // Minimal quorums of the present epoch that cannot use the key in the plan's.
  std::set<OrganisationQuorum> lost;
  bool more_lost = false;  // `lost` may not be all: the present epoch has more than kMaxQuorums
};
QuorumChange quorum_change(const PartShares& now, const PartShares& next);

// The quorums that an epoch with these shares has and the present one has not, in words; organisations that
// have no part in the present epoch are named by their whole fingerprint. Empty if there are none.
std::string news_in_words(const Parameters& now, const PartShares& next);

// The sentence that allows the news: what a person has to repeat, word for word, to propose such a plan.
// Beside new quorums it names new dangers: that no recovery code is left, or that the loss of one holder
// loses the key. Empty if there is neither. An organisation that has no part in the present epoch is named as
// unknown, by its whole fingerprint.
std::string allowance(const Parameters& now, const Parameters& next);

// A plan in words.
struct PlanInWords {
  // As everybody sees it who is asked to consent: organisations with their whole fingerprints, holders and
  // what becomes of them, the recovery code, and the quorums. Lines of printable ASCII, each ended by a line
  // feed; equal for all agents that hold the key.
  std::string text;
  std::string news;  // allowance()
};
// Code::denied if its epoch has more quorums, or its words more bytes, than people read. The plan follows
// `now`.
Result<PlanInWords> plan_in_words(const Sharing& now, const HandoverPlan& plan);
// The text of the same before there is a plan: nonces and ceremony keys of `next` count for nothing.
std::string describe_change(const Sharing& now, const Parameters& next);

}  // namespace coprotect::protocol
