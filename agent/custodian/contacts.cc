#include "agent/custodian/contacts.h"

#include <algorithm>

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kFirstRetryMs = 10'000;
constexpr std::int64_t kLongestRetryMs = 15 * 60'000;
constexpr std::ptrdiff_t kMaxEvents = 16;  // per key, so that one tenant cannot displace another's

std::int64_t pause_after(int failures) {
  return failures > 7 ? kLongestRetryMs : std::min(kLongestRetryMs, kFirstRetryMs << (failures - 1));
}

bool has_ended(const std::future<bool>& running) {
  return running.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

// One step: checks how the command ended, or starts it.
void Contacts::go_on(Try& attempt) const {
  const std::int64_t now = settings_.steady_ms();
  if (!attempt.running && !attempt.told && now >= attempt.next_ms) {
    const auto what = attempt.compose();
    attempt.over = !what;
    if (what) attempt.running = settings_.handover.notify(*what);
  }
  if (!attempt.running || !has_ended(*attempt.running)) return;
  attempt.told = attempt.running->get();
  attempt.running.reset();
  if (attempt.told) return;
  ++attempt.failures;
  attempt.next_ms = now + pause_after(attempt.failures);
}

void Contacts::tell(Notification event) {
  if (!exist()) return;
  const std::lock_guard lock(mutex_);
  const auto same_key = [&](const auto& other) { return other.first == event.key_id; };
  if (std::ranges::count_if(events_, same_key) >= kMaxEvents)
    events_.erase(std::ranges::find_if(events_, same_key));
  auto& added = events_.emplace_back(event.key_id, Try{});
  added.second.compose = [event = std::move(event)] { return std::optional(event); };
  go_on(added.second);
  if (added.second.told) events_.pop_back();
}

void Contacts::tell_of(const Place& place, Compose compose) {
  if (!exist()) return;
  const std::lock_guard lock(mutex_);
  Try fresh;
  fresh.compose = std::move(compose);
  announcements_.insert_or_assign(place, std::move(fresh));
}

std::vector<Contacts::Place> Contacts::settle() {
  const std::lock_guard lock(mutex_);
  for (auto& [key_id, attempt] : events_) go_on(attempt);
  std::erase_if(events_, [](const auto& event) { return event.second.told; });
  for (auto& [place, attempt] : announcements_) go_on(attempt);
  std::erase_if(announcements_, [](const auto& entry) { return entry.second.over; });
  std::vector<Place> told;
  for (const auto& [place, attempt] : announcements_)
    if (attempt.told) told.push_back(place);
  return told;
}

void Contacts::forget(const Place& place) {
  const std::lock_guard lock(mutex_);
  announcements_.erase(place);
}

void Contacts::forget(const protocol::KeyId& key_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(announcements_, [&](const auto& entry) { return entry.first.first == key_id; });
}

bool Contacts::fail(const protocol::KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  const auto failed = [](const Try& attempt) { return attempt.failures > 0 && !attempt.told; };
  return std::ranges::any_of(
             announcements_,
             [&](const auto& entry) { return entry.first.first == key_id && failed(entry.second); }) ||
         std::ranges::any_of(
             events_, [&](const auto& event) { return event.first == key_id && failed(event.second); });
}

}  // namespace coprotect::agent::custodian
