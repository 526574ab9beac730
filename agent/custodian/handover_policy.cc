#include <algorithm>

#include "agent/custodian/handovers.h"
#include "agent/custodian/record.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/utc_time.h"
#include "protocol/handover/quorums.h"

// A recovery administrator's announcement before it may change the holders of a key alone. It has to wait, so
// that the company's administrator can object. Any other change of holders needs the consent of the agents'
// operators (handover_consent.cc).
namespace coprotect::agent::custodian {
namespace {

using protocol::Announcement;
using protocol::HandoverNotice;
using protocol::Role;

std::string describe(const Announcement& what) {
  const protocol::Layout& layout = what.layout;
  std::string text = std::to_string(layout.t) + " of:";
  for (const auto& holder : layout.holders) {
    text += " " + holder.name;
    if (holder.identity_key)
      text += " (" + holder.url + ", identity " + to_hex(protocol::sha256(*holder.identity_key)) +
              ", organisation " + to_hex(protocol::organisation_fingerprint(holder.organisation)) + ")";
  }
  if (what.recovery_key) text += "; recovery key " + to_hex(protocol::sha256(*what.recovery_key));
  return text;
}

// Changes that quorums by organisation do not show: another agent of the same organisation, another recovery
// key.
std::string replaced(const protocol::Parameters& now, const Announcement& what) {
  std::string text;
  for (const auto& holder : what.layout.holders) {
    const auto is_it = [&](const protocol::Party& party) {
      return party.is_agent() && party.identity_key.bytes() == *holder.identity_key;
    };
    if (holder.identity_key && std::ranges::none_of(now->parties, is_it))
      text += "; ANOTHER agent: " + holder.name;
  }
  if (what.recovery_key != now->recovery_key) text += "; ANOTHER recovery key";
  return text;
}

protocol::PartShares shares_of(const protocol::Layout& layout) {
  protocol::PartShares shares{.shares = {}, .t = layout.t};
  for (const auto& holder : layout.holders)
    shares.shares[{holder.organisation, holder.identity_key ? protocol::OrganisationKind::agent
                                                            : protocol::OrganisationKind::recovery}] +=
        holder.indices.size();
  return shares;
}

// The facts needed to react come first: the log keeps only the beginning of a long text.
std::string announcement_text(const HandoverNotice& notice, const std::string& words) {
  const std::string hash = to_hex(notice.hash());
  return notice.client + " announces new holders, from " + protocol::format_utc_time(notice.not_before_ms) +
         " on; notice " + hash + "; to object: coprotect-provision veto --dir FOLDER " + hash.substr(0, 16) +
         "; " + words;
}

}  // namespace

std::string announced_words(const protocol::Parameters& now, const Announcement& what) {
  const std::string news = protocol::news_in_words(now, shares_of(what.layout));
  return (news.empty() ? "no quorum is new" : "NEW quorums: " + news) + replaced(now, what) +
         "; holders: " + describe(what);
}

// Without the lock: whatever is announced, only its announcer waits until it is in words.
Result<Handovers::Announced> Handovers::read_announcement(const Caller& caller, ByteView payload) const {
  // No other role carries one out.
  if (caller.client.identity.role != Role::recovery)
    return Error(Code::denied, "an announcement needs a certificate of role recovery");
  auto what = Announcement::parse(payload);
  if (!what) return std::move(what).error();
  const auto key = active(caller);
  if (!key) return key.error();
  if (auto few = protocol::check_quorum_count(shares_of(what->layout)); !few)
    return std::move(few).error().in("announcement");
  std::string words = announced_words((*key)->parameters(), *what);
  if (auto few = protocol::check_word_count(words); !few) return std::move(few).error().in("announcement");
  return Announced{.key = *key, .what = *std::move(what), .words = std::move(words)};
}

Result<Bytes> Handovers::announce(const Caller& caller, Announced announced) {
  if (const auto key = still_active(caller, announced.key); !key) return key.error();
  const Digest& announcer = caller.client.key_hash;
  // Repeating an announcement does not restart its wait, and does not affect others' announcements.
  if (const auto own = announcements_.of(caller.key_id(), announcer); own && own->what == announced.what) {
    if (own->vetoed) return Error(Code::denied, "these holders were announced, and vetoed");
    return own->encode();
  }

  HandoverNotice notice{.what = std::move(announced.what),
                        .announcer = announcer,
                        .client = caller.uri(),
                        .not_before_ms = caller.now_ms + settings_.handover.delay_ms,
                        .running_left_ms = settings_.handover.delay_ms,
                        .vetoed = false};
  // No wait starts before the contacts are told.
  const auto wait = contacts_.exist() ? Announcements::Wait::not_begun : Announcements::Wait::begun;
  const auto put = [&](Transaction& t) { return announcements_.put(t, caller.key_id(), notice, wait); };
  if (auto durable = make_durable(caller, put, "handover: " + announcement_text(notice, announced.words));
      !durable)
    return std::move(durable).error();
  tell_of({caller.key_id(), announcer}, std::move(announced.words));
  begin_waits(caller.now_ms);
  return announcements_.of(caller.key_id(), announcer).value_or(notice).encode();
}

void Handovers::tell_of(const Announcements::Place& place, std::string words) {
  contacts_.tell_of(place, [this, place, words = std::move(words)]() -> std::optional<Notification> {
    auto notice = announcements_.of(place.first, place.second);
    const KeyPtr key = keys_.active(place.first);
    if (!notice || notice->vetoed || key == nullptr) return std::nullopt;
    notice->not_before_ms = settings_.now_ms() + notice->running_left_ms;
    return Notification{.event = "announced",
                        .tenant = key->tenant(),
                        .key_id = place.first,
                        .text = announcement_text(*notice, words)};
  });
}

Result<std::size_t> Handovers::forget_announcements(Transaction& transaction) {
  auto places = announcements_.remove_unvetoed(transaction);
  if (!places) return std::move(places).error();
  const std::size_t count = places->size();
  transaction.after_commit([this, places = *std::move(places)] {
    for (const auto& place : places) contacts_.forget(place);
  });
  return count;
}

void Handovers::begin_waits(std::int64_t now_ms) {
  // If the operator has removed the command, there is nobody to tell.
  for (const auto& place : contacts_.exist() ? contacts_.settle() : announcements_.not_begun()) {
    const auto notice = announcements_.of(place.first, place.second);
    if (notice && announcements_.wait_of(place) == Announcements::Wait::not_begun) {
      auto transaction = store_.begin();
      // A failed write is retried; until then the wait has not begun. An announcement removed meanwhile stays
      // removed.
      if (!transaction || !announcements_.of(place.first, place.second) ||
          !begin_wait(*transaction, place.first, *notice, now_ms) || !transaction->commit())
        continue;
    }
    contacts_.forget(place);
  }
}

Status Handovers::begin_wait(Transaction& transaction, const KeyId& key_id, HandoverNotice notice,
                             std::int64_t now_ms) {
  notice.not_before_ms = now_ms + notice.running_left_ms;
  const KeyPtr key = keys_.active(key_id);
  if (key != nullptr) {
    auto line = entry_of(protocol::EntryKind::ceremony, key->tenant(), now_ms);
    line.key_id = key_id;
    line.detail = (contacts_.exist() ? "handover: the contacts were told of notice "
                                     : "handover: there is no command any more to tell of notice ") +
                  to_hex(notice.hash()) + ", which may be carried out from " +
                  protocol::format_utc_time(notice.not_before_ms) + " on";
    if (auto recorded = log_.append(transaction, std::move(line)); !recorded) return recorded;
  }
  return announcements_.put(transaction, key_id, std::move(notice), Announcements::Wait::begun);
}

Result<Bytes> Handovers::veto(const Caller& caller, ByteView payload) {
  if (caller.client.identity.role != Role::admin)
    return Error(Code::denied, "a veto needs a certificate of role admin");
  const auto all = announcements_.of(caller.key_id());
  const auto named = std::ranges::find_if(
      all, [&](const HandoverNotice& notice) { return std::ranges::equal(notice.hash(), payload); });
  if (named == all.end()) return Error(Code::not_found, "this notice is not announced for this key");
  if (named->vetoed) return Bytes{};
  HandoverNotice notice = *named;
  notice.vetoed = true;
  const std::string text =
      caller.uri() + " vetoes what " + notice.client + " announced; notice " + to_hex(notice.hash());
  const Announcements::Place place{caller.key_id(), notice.announcer};
  const auto put = [&](Transaction& t) {
    return announcements_.put(t, caller.key_id(), notice, announcements_.wait_of(place));
  };
  if (auto durable = make_durable(caller, put, "handover: " + text); !durable)
    return std::move(durable).error();
  contacts_.forget(place);
  notify(caller, "vetoed", text);
  return Bytes{};
}

// Only the key that announced this very change may carry it out, once both the wall clock and the agent's
// running time say that the delay is over.
Status Handovers::check_announced(const Caller& caller, const protocol::HandoverPlan& plan) const {
  const auto notice = announcements_.of(caller.key_id(), caller.client.key_hash);
  if (!notice || notice->what != Announcement::of(plan->parameters))
    return Error(Code::denied,
                 "these holders, with this recovery key, were not announced with this certificate");
  return check_over(caller.key_id(), *notice, caller.now_ms);
}

bool Handovers::may_begin_announced(const KeyId& key_id, const Digest& announcer, std::int64_t now_ms) const {
  const auto notice = announcements_.of(key_id, announcer);
  return notice && check_over(key_id, *notice, now_ms);
}

// Checks that the delay is over and that nobody vetoed it.
Status Handovers::check_over(const KeyId& key_id, const HandoverNotice& notice, std::int64_t now_ms) const {
  if (notice.vetoed) return Error(Code::denied, "these holders were announced, and vetoed");
  if (announcements_.wait_of({key_id, notice.announcer}) == Announcements::Wait::not_begun)
    return Error(
        Code::limited,
        "the agent could not tell the contacts of these holders yet: the time to object has not begun");
  if (now_ms < notice.not_before_ms)
    return Error(Code::limited,
                 "announced handover may begin at " + protocol::format_utc_time(notice.not_before_ms + 999));
  if (notice.running_left_ms > 0)
    return Error(Code::limited, "announced handover may begin once this agent has run for another " +
                                    std::to_string((notice.running_left_ms + 999) / 1000) +
                                    " s: its clock says that the delay is over, its running time does not");
  return Done{};
}

}  // namespace coprotect::agent::custodian
