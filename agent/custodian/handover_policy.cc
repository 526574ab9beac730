#include <algorithm>

#include "agent/custodian/handovers.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/utc_time.h"
#include "protocol/handover/quorums.h"

// What a recovery administrator announces before it may change the holders of a key alone: it has to wait, so
// that the company's administrator can object. Whoever else changes them needs the consent of the agents'
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

protocol::PartShares shares_of(const protocol::Layout& layout) {
  protocol::PartShares shares{.shares = {}, .t = layout.t};
  for (const auto& holder : layout.holders)
    shares.shares[{holder.organisation, holder.identity_key ? protocol::OrganisationKind::agent
                                                            : protocol::OrganisationKind::recovery}] +=
        holder.indices.size();
  return shares;
}

// Whom a veto names, as `coprotect-provision veto` takes it.
std::string veto_command(const HandoverNotice& notice) {
  return "coprotect-provision veto --dir FOLDER " + to_hex(ByteView(notice.hash()).first(8));
}

}  // namespace

// Without the lock: whatever is announced, only its announcer waits until it is in words.
Result<Handovers::Announced> Handovers::read_announcement(const Caller& caller, ByteView payload) const {
  // Nobody else carries one out.
  if (caller.client.identity.role != Role::recovery)
    return Error(Code::denied, "an announcement needs a certificate of role recovery");
  auto what = Announcement::parse(payload);
  if (!what) return std::move(what).error();
  const auto key = active(caller);
  if (!key) return key.error();
  const protocol::PartShares next = shares_of(what->layout);
  if (auto few = protocol::check_quorum_count(next); !few) return std::move(few).error().in("announcement");
  const std::string news = protocol::news_in_words((*key)->parameters(), next);
  std::string words =
      (news.empty() ? "no quorum is new" : "NEW quorums: " + news) + "; holders: " + describe(*what);
  if (auto few = protocol::check_word_count(words); !few) return std::move(few).error().in("announcement");
  return Announced{.key = *key, .what = *std::move(what), .words = std::move(words)};
}

Result<Bytes> Handovers::announce(const Caller& caller, Announced announced) {
  if (const auto key = still_active(caller, announced.key); !key) return key.error();
  const Digest& announcer = caller.client.key_hash;
  // Said again, it goes on waiting; others' announcements are not touched by it.
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
  // What somebody needs who has to act stands first: the log keeps the beginning of a long text.
  const std::string text = caller.uri() + " announces new holders, from " +
                           protocol::format_utc_time(notice.not_before_ms) + " on; notice " +
                           to_hex(notice.hash()) + "; to object: " + veto_command(notice) + "; " +
                           announced.words;
  const auto put = [&](Transaction& t) { return announcements_.put(t, caller.key_id(), notice); };
  if (auto durable = make_durable(caller, put, "handover: " + text); !durable)
    return std::move(durable).error();
  notify(caller, "announced", text);
  return notice.encode();
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
  const auto put = [&](Transaction& t) { return announcements_.put(t, caller.key_id(), notice); };
  if (auto durable = make_durable(caller, put, "handover: " + text); !durable)
    return std::move(durable).error();
  notify(caller, "vetoed", text);
  return Bytes{};
}

// Only the key that announced this very change may carry it out, once the wall clock and the time that this
// agent ran both say that the delay is over.
Status Handovers::check_announced(const Caller& caller, const protocol::HandoverPlan& plan) const {
  const auto notice = announcements_.of(caller.key_id(), caller.client.key_hash);
  if (!notice || notice->what != Announcement::of(plan->parameters))
    return Error(Code::denied,
                 "these holders, with this recovery key, were not announced with this certificate");
  if (notice->vetoed) return Error(Code::denied, "these holders were announced, and vetoed");
  if (caller.now_ms < notice->not_before_ms)
    return Error(Code::limited,
                 "announced handover may begin at " + protocol::format_utc_time(notice->not_before_ms + 999));
  if (notice->running_left_ms > 0)
    return Error(Code::limited, "announced handover may begin once this agent has run for another " +
                                    std::to_string((notice->running_left_ms + 999) / 1000) +
                                    " s: its clock says that the delay is over, its running time does not");
  return Done{};
}

}  // namespace coprotect::agent::custodian
