#include "protocol/handover/quorums.h"

#include <algorithm>

#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

OrganisationPart part_of(const Party& party) {
  return {party.organisation.organisation_key(), party.organisation.kind()};
}

// Whether these parts can use the key.
bool can_use(const OrganisationQuorum& quorum, const PartShares& epoch) {
  std::size_t held = 0;
  for (const OrganisationPart& part : quorum) {
    const auto found = epoch.shares.find(part);
    if (found != epoch.shares.end()) held += found->second;
  }
  return held >= epoch.t;
}

// Finds minimal quorums, and stops when it has more than kMaxQuorums. Parts are added in descending order of
// their shares. So a set that reaches t with its last part, which holds fewest, needs every part, and is
// minimal. Branches that cannot reach t are abandoned, so every branch followed finds a quorum.
class MinimalQuorums {
 public:
  explicit MinimalQuorums(const PartShares& epoch) : t_(epoch.t) {
    for (const auto& [part, shares] : epoch.shares)
      if (shares > 0) parts_.emplace_back(part, shares);
    std::ranges::stable_sort(parts_, std::ranges::greater{}, &Part::second);
    left_.resize(parts_.size() + 1);
    for (std::size_t i = parts_.size(); i-- > 0;) left_[i] = left_[i + 1] + parts_[i].second;
  }
  std::set<OrganisationQuorum> take() && {
    if (t_ > 0) add_from(0, 0);
    return std::move(found_);
  }

 private:
  using Part = std::pair<OrganisationPart, std::size_t>;
  void add_from(std::size_t next, std::size_t held) {
    for (std::size_t i = next; i < parts_.size(); ++i) {
      if (held + left_[i] < t_ || found_.size() > kMaxQuorums) return;
      chosen_.push_back(parts_[i].first);
      if (held + parts_[i].second >= t_)
        found_.emplace(chosen_.begin(), chosen_.end());
      else
        add_from(i + 1, held + parts_[i].second);
      chosen_.pop_back();
    }
  }
  std::size_t t_;
  std::vector<Part> parts_;
  std::vector<std::size_t> left_;  // shares of this part and those after it
  std::vector<OrganisationPart> chosen_;
  std::set<OrganisationQuorum> found_;
};

std::string grouped(ByteView digest) {
  constexpr std::size_t kGroup = 4;
  const std::string hex = to_hex(digest);
  std::string text;
  for (std::size_t i = 0; i < hex.size(); i += kGroup) text += (i == 0 ? "" : " ") + hex.substr(i, kGroup);
  return text;
}

// Organisations choose their names. Escaping makes sure that a quoted name ends where it seems to.
std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

// The organisations of two epochs: those of the present one in its order, then the unknown ones.
class Organisations {
 public:
  Organisations(const Parameters& now, const Parameters& next) : company_(now->client_ca.key().bytes()) {
    for (const Party& party : now->parties) add(party, true);
    for (const Party& party : next->parties) add(party, false);
  }

  // `agent of provider`, with the fingerprint if the name alone is ambiguous.
  std::string phrase(const OrganisationPart& part) const {
    const auto found = std::ranges::find(entries_, part.organisation, &Entry::key);
    const Entry entry = found != entries_.end() ? *found : Entry{part.organisation, "", false};
    const auto same_name = std::ranges::count(entries_, entry.name, &Entry::name);
    std::string who = entry.name;
    if (!entry.known)
      who = "unknown organisation " + to_hex(organisation_fingerprint(part.organisation));
    else if (same_name > 1)
      who += ' ' + to_hex(organisation_fingerprint(part.organisation));
    return (part.kind == OrganisationKind::agent ? "agent of " : "recovery code of ") + who;
  }
  std::string phrase(const OrganisationQuorum& quorum) const {
    std::string text;
    for (const OrganisationPart& part : quorum) text += (text.empty() ? "" : " and ") + phrase(part);
    return quorum.size() == 1 ? text + " alone" : text;
  }

  // `[1]`: how lines refer to it.
  std::string mark(const PublicKeyBytes& key) const { return "[" + std::to_string(position(key) + 1) + "]"; }
  std::string lines() const {
    std::string text = "organisations:\n";
    for (const Entry& entry : entries_) {
      text += "  " + mark(entry.key) + ' ' + quoted(entry.name);
      if (entry.key == company_) text += ", the company: its client CA";
      if (!entry.known) text += ", UNKNOWN organisation: it has no part in this key today";
      text += "\n      fingerprint " + grouped(organisation_fingerprint(entry.key)) + '\n';
    }
    return text;
  }

 private:
  struct Entry {
    PublicKeyBytes key;
    std::string name;
    bool known;
  };
  void add(const Party& party, bool known) {
    const auto& key = party.organisation.organisation_key();
    if (std::ranges::find(entries_, key, &Entry::key) == entries_.end())
      entries_.push_back({key, party.organisation.name(), known});
  }
  std::size_t position(const PublicKeyBytes& key) const {
    const auto found = std::ranges::find(entries_, key, &Entry::key);
    invariant(found != entries_.end());
    return static_cast<std::size_t>(found - entries_.begin());
  }
  PublicKeyBytes company_;
  std::vector<Entry> entries_;
};

std::string indices_of(const Party& party) {
  std::string text = party.indices.size() == 1 ? "index" : "indices";
  for (const std::uint8_t index : party.indices) text += ' ' + std::to_string(index);
  return text;
}

// How a party of the next epoch relates to the present one. Only a present shareholder can prove that it
// holds a share.
std::string standing(const Party& party, const Parameters& next, const Sharing& now) {
  const auto known = now.parameters.position_of(party.identity_key);
  if (!party.is_agent())
    return next->recovery_key == now.parameters->recovery_key
               ? "the recovery code stays the one that is in use"
               : "a NEW recovery code; the present one opens nothing more";
  if (!known) return "JOINS: proves no share of the present epoch";
  std::string text = "holds a share now";
  const Party& before = now.parameters->parties[*known];
  if (before.url != party.url) text += "; MOVES, from " + before.url;
  if (!(before.organisation == party.organisation)) text += "; CHANGES its organisation's certificate";
  return text;
}

std::string party_lines(const Party& party, const Parameters& next, const Organisations& organisations,
                        const Sharing& now) {
  std::string text = "  " + party.name + ' ' + organisations.mark(party.organisation.organisation_key()) +
                     " (" + indices_of(party) + "): " + standing(party, next, now) + '\n';
  if (!party.is_agent()) return text;
  text += "      at " + party.url + '\n';
  text += "      identity " + grouped(sha256(party.identity_key.bytes())) + '\n';
  return text;
}

std::string quorum_lines(std::string_view heading, const std::set<OrganisationQuorum>& quorums,
                         const Organisations& organisations, std::string_view before = "") {
  if (quorums.empty()) return {};
  std::string text = std::string(heading) + ":\n";
  for (const OrganisationQuorum& quorum : quorums)
    text += "  " + std::string(before) + organisations.phrase(quorum) + '\n';
  return text;
}

std::string threshold(const Parameters& parameters) {
  return "any " + std::to_string(parameters->t) + " of " + std::to_string(parameters->n) + " shares";
}

bool has_recovery(const Parameters& parameters) {
  return std::ranges::any_of(parameters->parties, [](const Party& party) { return !party.is_agent(); });
}

// Whether the loss of one holder loses the key.
bool is_fragile(const Parameters& parameters) {
  return std::ranges::any_of(parameters->parties, [&](const Party& party) {
    return parameters->n - party.indices.size() < parameters->t;
  });
}

// The dangers that a plan adds. They give no organisation more access, but the key may be lost.
std::vector<std::string> new_dangers(const Parameters& now, const Parameters& next) {
  std::vector<std::string> dangers;
  if (has_recovery(now) && !has_recovery(next)) dangers.emplace_back("no recovery code");
  if (!is_fragile(now) && is_fragile(next)) dangers.emplace_back("the loss of one holder loses the key");
  return dangers;
}

// The sentence of allowance().
std::string news_of(const Parameters& now, const Parameters& next, const QuorumChange& change) {
  const Organisations organisations(now, next);
  std::string text;
  const auto add = [&](const std::string& sentence) { text += (text.empty() ? "" : "; ") + sentence; };
  for (const OrganisationQuorum& quorum : change.gained) add(organisations.phrase(quorum));
  for (const std::string& danger : new_dangers(now, next)) add(danger);
  return text;
}

std::string leavers(const Parameters& now, const Parameters& next) {
  std::string text;
  for (const Party& party : now->parties)
    if (party.is_agent() && !next.position_of(party.identity_key))
      text += "  " + party.name + ": LEAVES, identity " + grouped(sha256(party.identity_key.bytes())) + '\n';
  return text;
}

}  // namespace

PartShares PartShares::of(const Parameters& parameters) {
  PartShares epoch{.shares = {}, .t = parameters->t};
  for (const Party& party : parameters->parties) epoch.shares[part_of(party)] += party.indices.size();
  return epoch;
}

std::set<OrganisationQuorum> minimal_quorums(const PartShares& epoch) {
  return MinimalQuorums(epoch).take();
}

Status check_quorum_count(const PartShares& epoch) {
  if (minimal_quorums(epoch).size() <= kMaxQuorums) return Done{};
  return Error(Code::denied, "more than " + std::to_string(kMaxQuorums) +
                                 " quorums of organisations could use the key: nobody could judge them");
}

Status check_word_count(std::string_view words) {
  if (words.size() <= kMaxWords) return Done{};
  return Error(Code::denied, "the change takes " + std::to_string(words.size()) +
                                 " bytes of words, of which " + std::to_string(kMaxWords) +
                                 " are allowed: nobody could judge it");
}

QuorumChange quorum_change(const PartShares& now, const PartShares& next) {
  QuorumChange change{.after = minimal_quorums(next), .gained = {}, .lost = {}};
  for (const OrganisationQuorum& quorum : change.after)
    if (!can_use(quorum, now)) change.gained.insert(quorum);
  const auto before = minimal_quorums(now);
  for (const OrganisationQuorum& quorum : before)
    if (!can_use(quorum, next)) change.lost.insert(quorum);
  change.more_lost = before.size() > kMaxQuorums;
  return change;
}

std::string news_in_words(const Parameters& now, const PartShares& next) {
  const Organisations organisations(now, now);
  std::string text;
  for (const OrganisationQuorum& quorum : quorum_change(PartShares::of(now), next).gained)
    text += (text.empty() ? "" : "; ") + organisations.phrase(quorum);
  return text;
}

std::string allowance(const Parameters& now, const Parameters& next) {
  return news_of(now, next, quorum_change(PartShares::of(now), PartShares::of(next)));
}

namespace {

// `to` names the next epoch. The dealers are indices of the present one.
std::string describe(const Sharing& now, const Parameters& next, const std::string& to,
                     const std::vector<std::uint8_t>& dealers, const QuorumChange& change) {
  const Organisations organisations(now.parameters, next);
  std::string text = "key " + to_hex(now.key_id) + " of " + next->tenant + '\n';
  text += "from epoch " + std::to_string(now.epoch) + ", " + threshold(now.parameters) + '\n';
  text += "to " + to + ", " + threshold(next) + '\n';
  text += organisations.lines();
  text += "holders of the new epoch:\n";
  for (const Party& party : next->parties) text += party_lines(party, next, organisations, now);
  if (const std::string gone = leavers(now.parameters, next); !gone.empty())
    text += "holders that lose their shares:\n" + gone;
  if (next->recovery_key && next->recovery_key != now.parameters->recovery_key)
    text += "recovery key: NEW, " + grouped(sha256(*next->recovery_key)) + '\n';
  if (!dealers.empty()) {
    text += "dealers:";
    for (const std::uint8_t index : dealers)
      text += ' ' + now.parameters->parties[now.parameters.holder_of(index)].name + " (index " +
              std::to_string(index) + ')';
    text += '\n';
  }
  text += quorum_lines("who can use the key then", change.after, organisations);
  text += quorum_lines("NEWS: these cannot use the key today", change.gained, organisations, "NEW: ");
  text += quorum_lines("these can use the key today, and cannot then", change.lost, organisations);
  if (change.more_lost)
    text +=
        "more than " + std::to_string(kMaxQuorums) + " quorums can use the key today: not all are named\n";
  for (const std::string& danger : new_dangers(now.parameters, next)) text += "NEWS: " + danger + '\n';
  return text;
}

}  // namespace

std::string describe_change(const Sharing& now, const Parameters& next) {
  return describe(now, next, "the next epoch", {},
                  quorum_change(PartShares::of(now.parameters), PartShares::of(next)));
}

Result<PlanInWords> plan_in_words(const Sharing& now, const HandoverPlan& plan) {
  const PartShares next = PartShares::of(plan->parameters);
  if (auto few = check_quorum_count(next); !few) return std::move(few).error().in("handover plan");
  const QuorumChange change = quorum_change(PartShares::of(now.parameters), next);
  PlanInWords words{
      .text = "plan " + grouped(sha256(plan.encoded())) + '\n' +
              describe(now, plan->parameters, "epoch " + std::to_string(plan->epoch), plan->dealers, change),
      .news = news_of(now.parameters, plan->parameters, change)};
  if (auto few = check_word_count(words.text); !few) return std::move(few).error().in("handover plan");
  return words;
}

}  // namespace coprotect::protocol
