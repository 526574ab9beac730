#include "agent/custodian/held_erasures.h"

#include <algorithm>
#include <mutex>

#include "agent/custodian/record.h"
#include "protocol/base/fault.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::KeyId;
using protocol::LogEntry;
using protocol::Recorded;

constexpr std::string_view kTaken = "ok";

bool is(const LogEntry& entry, Recorded what) {
  return entry.operation == static_cast<std::uint8_t>(what);
}

}  // namespace

bool is_hold(const LogEntry& entry) {
  return is(entry, Recorded::hold_erasure) || is(entry, Recorded::release_erasure);
}

bool HeldErasures::decides(const LogEntry& entry) {
  return is_hold(entry) && entry.outcome == kTaken;
}

void HeldErasures::visit(const LogEntry& entry) {
  if (!decides(entry)) return;
  State& state = states_[entry.key_id];
  if (number_of(entry) <= state.number) return;
  state.number = number_of(entry);
  state.held = is(entry, Recorded::hold_erasure);
}

std::uint64_t HeldErasures::number_of(const LogEntry& entry) {
  Reader number(entry.request_id);
  return *number.u64();
}

Status HeldErasures::look() {
  const auto all = holds_.all();
  {
    const std::unique_lock lock(mutex_);
    folder_problem_ = all ? "" : "what the operator says of erasures cannot be read: all are held";
  }
  if (!all) return all.error();
  Status status = Done{};
  for (const auto& entry : *all)
    if (auto taken = take(entry); !taken && status) status = std::move(taken);
  note_missing(*all);
  return status;
}

Status HeldErasures::take(const hsm::ErasureHolds::Entry& entry) {
  const KeyPtr key = keys_.newest(entry.key_id);
  if (key == nullptr) return Done{};  // it may appear later
  // A newer statement may be among the damaged entries. Until they are repaired, all erasures are held.
  if (!log_.damaged().empty()) return Done{};
  if (!entry.said) return note_unverified(*key, entry.said.error());
  const State state = state_of(entry.key_id);
  if (entry.said->number > state.number) return take(*key, *entry.said);
  const bool older = entry.said->number < state.number;
  set_problem(entry.key_id,
              older ? "an older statement of the operator was put back: the newer one stands" : "", false);
  if (!older) return Done{};
  return Error(Code::altered, "what the operator says of the erasure of key " + to_hex(entry.key_id) +
                                  " is older than what this agent has recorded, which stands");
}

Status HeldErasures::take(const Key& key, const hsm::ErasureHold& said) {
  const std::string what = said.held ? "holds the erasure of the key's shares" +
                                           std::string(key.erased() ? ": too late, they are removed" : "")
                                     : "lets the erasure of the key's shares go on";
  auto entry = entry_of(protocol::EntryKind::key_list, key.tenant(), settings_.now_ms());
  Writer number;
  number.u64(said.number);
  std::ranges::copy(number.view(), entry.request_id.begin());
  entry.request_hash = protocol::sha256(said.encode());
  entry.outcome = kTaken;
  if (auto recorded = record(key, std::move(entry), said.held, what); !recorded) return recorded;
  const std::unique_lock lock(mutex_);
  states_[said.key_id] = State{.number = said.number, .held = said.held, .problem = "", .unverified = false};
  return Done{};
}

// Recorded once while it lasts.
Status HeldErasures::note_unverified(const Key& key, const Error& why) {
  if (!state_of(key.key_id()).unverified) {
    auto entry = entry_of(protocol::EntryKind::key_list, key.tenant(), settings_.now_ms());
    entry.outcome = code_name(why.code());
    if (auto recorded = record(key, std::move(entry), true,
                               "may hold the erasure of the key's shares: what he says cannot be verified");
        !recorded)
      return recorded;
  }
  set_problem(key.key_id(), "what the operator says cannot be verified: the erasure is held", true);
  return why;
}

Status HeldErasures::record(const Key& key, LogEntry entry, bool held, const std::string& what) {
  entry.operation = static_cast<std::uint8_t>(held ? Recorded::hold_erasure : Recorded::release_erasure);
  entry.key_id = key.key_id();
  entry.detail = "the operator " + what;
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  if (auto recorded = log_.append(*transaction, std::move(entry)); !recorded) return recorded;
  fault_point("agent-hold-commit");
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point("agent-hold-committed");
  contacts_.tell({.event = held ? "held" : "released",
                  .tenant = key.tenant(),
                  .key_id = key.key_id(),
                  .text = "the operator of the " + settings_.role + " agent " + what});
  return Done{};
}

void HeldErasures::set_problem(const KeyId& key_id, std::string problem, bool unverified) {
  const std::unique_lock lock(mutex_);
  State& state = states_[key_id];
  state.problem = std::move(problem);
  state.unverified = unverified;
}

void HeldErasures::note_missing(const std::vector<hsm::ErasureHolds::Entry>& found) {
  const std::unique_lock lock(mutex_);
  for (auto& [key_id, state] : states_) {
    if (std::ranges::find(found, key_id, &hsm::ErasureHolds::Entry::key_id) != found.end()) continue;
    state.problem = state.held ? "the operator's statement is gone from the agent's folder: it stands" : "";
    state.unverified = false;
  }
}

bool HeldErasures::hold(const KeyId& key_id) const {
  const auto said = holds_.of(key_id);
  const std::shared_lock lock(mutex_);
  const auto known = states_.find(key_id);
  const State state = known == states_.end() ? State{} : known->second;
  // Logged before the operator can release it.
  if (!log_.damaged().empty()) return true;  // a hold may be among them
  return !said || state.held || (*said && (*said)->held && (*said)->number > state.number);
}

HeldErasures::State HeldErasures::state_of(const KeyId& key_id) const {
  const std::shared_lock lock(mutex_);
  const auto known = states_.find(key_id);
  State state = known == states_.end() ? State{} : known->second;
  if (!log_.damaged().empty()) {
    state.problem = "a hold may be among the entries of the log that are damaged: the erasure is held";
    state.unverified = true;
  }
  if (!folder_problem_.empty()) {
    state.problem = folder_problem_;
    state.unverified = true;
  }
  return state;
}

}  // namespace coprotect::agent::custodian
