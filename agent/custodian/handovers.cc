#include "agent/custodian/handovers.h"

#include <algorithm>

#include "agent/custodian/handover_shares.h"
#include "agent/custodian/key_row.h"
#include "agent/custodian/record.h"
#include "protocol/base/fault.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverStep;

constexpr std::int64_t kIdleMs = 15 * 60 * 1000;

}  // namespace

std::string handover_label(const protocol::HandoverPlan& plan) {
  return "handover " + to_hex(ByteView(plan.sid()).first(8)) + " to epoch " + std::to_string(plan->epoch);
}

Status Handovers::load(Transaction& transaction) {
  if (auto forgotten = approvals_.forget_all(); !forgotten) return forgotten;
  if (auto loaded = announcements_.load(transaction); !loaded) return loaded;
  // Notifies the contacts of what was not delivered before the agent stopped.
  for (const auto& place : announcements_.not_begun()) {
    const auto notice = announcements_.of(place.first, place.second);
    const KeyPtr key = keys_.active(place.first);
    if (notice && key != nullptr) tell_of(place, announced_words(key->parameters(), notice->what));
  }
  return Done{};
}

Result<Bytes> Handovers::answer(const Client& client, const protocol::HandoverBody& step,
                                std::int64_t now_ms) {
  auto answer = run({client, now_ms}, step);
  fault_point("agent-reply");
  return answer;
}

Result<Bytes> Handovers::run(const Caller& caller, const protocol::HandoverBody& step) {
  std::optional<Announced> announced;
  if (step.step == HandoverStep::announce) {
    auto read = read_announcement(caller, step.payload);
    if (!read) return std::move(read).error();
    announced = *std::move(read);
  }
  std::optional<Proposal> proposal;
  if (step.step == HandoverStep::consent) {
    auto read = read_proposal(caller, step.payload);
    if (!read) return std::move(read).error();
    proposal = *std::move(read);
  }

  const std::lock_guard lock(mutex_);
  switch (step.step) {
    case HandoverStep::status:
      return status(caller);
    case HandoverStep::announce:
      return announce(caller, *std::move(announced));
    case HandoverStep::offer:
      return offer(caller);
    case HandoverStep::deal:
      return deal(caller, step.payload);
    case HandoverStep::prepare:
      return prepare(caller, step.payload);
    case HandoverStep::activate:
      return activate(caller, step.payload);
    case HandoverStep::retire:
      return retire(caller, step.payload);
    case HandoverStep::abort:
      return abort(caller, step.payload);
    case HandoverStep::veto:
      return veto(caller, step.payload);
    case HandoverStep::consent:
      return consent(caller, *proposal);
  }
  return Error(Code::malformed, "unknown step of a handover");
}

void Handovers::sweep(std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  begin_waits(now_ms);
  std::vector<KeyId> over;
  for (const auto& [key_id, running] : running_)
    if (now_ms - running.touched_ms > kIdleMs) over.push_back(key_id);
  for (const KeyId& key_id : over) forget_running(key_id);
}

// A plan left in the folder without its offer can be approved, but nothing is dealt under it.
void Handovers::forget_running(const KeyId& key_id) {
  const auto running = running_.find(key_id);
  if (running == running_.end()) return;
  if (running->second.proposed) static_cast<void>(approvals_.forget(key_id));
  running_.erase(running);
}

Result<Bytes> Handovers::status(const Caller& caller) {
  const auto key = active(caller);
  if (!key) return key.error();
  protocol::HandoverStatus status{.epoch = (*key)->epoch(),
                                  .decided = std::max((*key)->decided, peers_.said(caller.key_id()).decided),
                                  .unacknowledged = !keys_.superseded(caller.key_id()).empty(),
                                  .bundle = (*key)->bundle->encoded(),
                                  .acknowledgements = (*key)->acknowledgements,
                                  .prepared = std::nullopt,
                                  .announced = announcements_.of(caller.key_id()),
                                  .condition = conditions_.of(**key)};
  if (const KeyPtr prepared = keys_.prepared(caller.key_id())) {
    const auto parsed = parse_prepared_handover(prepared->preparation);
    if (!parsed) return parsed.error();
    status.prepared = {.transcript = parsed->transcript.body(),
                       .confirmation = protocol::confirm_handover(parsed->transcript, keyring_.identity())};
  }
  return status.encode();
}

Result<KeyPtr> Handovers::active(const Caller& caller) const {
  KeyPtr key = keys_.active(caller.key_id());
  if (key != nullptr) return key;
  std::string why = "key " + to_hex(caller.key_id()) + " is not active here";
  if (const auto shelved = keys_.shelved(caller.key_id()); !shelved.empty())
    why += ": epoch " + std::to_string(shelved.back()->epoch()) +
           ", by which this agent got a share, was taken back";
  return Error(Code::not_found, std::move(why));
}

Result<KeyPtr> Handovers::still_active(const Caller& caller, const KeyPtr& then) const {
  auto key = active(caller);
  if (key && (*key)->bundle->newest_hash() != then->bundle->newest_hash())
    return Error(Code::conflict, "the key is in epoch " + std::to_string((*key)->epoch()) + " by now");
  return key;
}

Status Handovers::make_durable(const Caller& caller, const Change& change, std::string_view what) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  auto line = entry_of(protocol::EntryKind::ceremony, caller.client.key->tenant(), caller.now_ms);
  line.client = caller.uri();
  line.key_id = caller.key_id();
  line.detail = shortened(what);
  if (auto changed = change(*transaction); !changed) return changed;
  if (auto recorded = log_.append(*transaction, line); !recorded) return recorded;
  transaction->after_commit([this, line = std::move(line)] { caps_.count(line); });
  fault_point("agent-store-commit");
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point("agent-store-committed");
  return Done{};
}

Status Handovers::replace_keys(const Caller& caller, const std::vector<KeyPtr>& put,
                               const std::vector<KeyPtr>& remove, std::string_view what) {
  const auto change = [&](Transaction& transaction) -> Status {
    for (const KeyPtr& key : remove)
      if (auto removed = keys_.remove(transaction, *key); !removed) return removed;
    for (const KeyPtr& key : put)
      if (auto written = keys_.put(transaction, key); !written) return written;
    return Done{};
  };
  return make_durable(caller, change, what);
}

void Handovers::notify(const Caller& caller, std::string event, std::string text) {
  contacts_.tell({.event = std::move(event),
                  .tenant = caller.client.key->tenant(),
                  .key_id = caller.key_id(),
                  .text = std::move(text)});
}

}  // namespace coprotect::agent::custodian
