#include "agent/front/places.h"

#include <algorithm>
#include <utility>

namespace coprotect::agent::front {
namespace {

// A TLS client sends as soon as TCP is connected.
constexpr std::chrono::milliseconds kSilence(250);

}  // namespace

Places::Places(const ipc::Limits& limits, Cut cut_socket, Received received)
    : cut_(cut_socket), received_(received), limits_(limits) {}

void Places::use(const ipc::Limits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

void Places::leave(const Place& place) {
  Counts& of_kind = counts(place.kind);
  const auto count = of_kind.find(place.holder);
  if (--count->second == 0) of_kind.erase(count);
  --totals_[static_cast<std::size_t>(place.kind)];
}

void Places::set(Place& place, Kind kind, std::string holder) {
  leave(place);
  place.kind = kind;
  place.holder = std::move(holder);
  ++counts(kind)[place.holder];
  ++totals_[static_cast<std::size_t>(kind)];
}

Places::Entry Places::victim(Kind kind, const std::string* holder, const Clock::time_point* silent_since) {
  const Counts& of_kind = counts(kind);
  Entry chosen = places_.end();
  unsigned most = 0;
  for (Entry each = places_.begin(); each != places_.end(); ++each) {
    Place& place = each->second;
    if (place.kind != kind || place.busy || (holder != nullptr && place.holder != *holder)) continue;
    const unsigned held = of_kind.find(place.holder)->second;
    if (held < most || (held == most && place.since >= chosen->second.since)) continue;
    if (silent_since != nullptr) {
      if (place.spoke || place.since > *silent_since) continue;
      place.spoke = received_(each->first) != 0;
      if (place.spoke) continue;
    }
    most = held;
    chosen = each;
  }
  return chosen;
}

std::optional<std::string> Places::give_way(Kind kind, const std::string* holder, Clock::time_point now) {
  const Clock::time_point silent_since = now - kSilence;
  Entry chosen = kind == Kind::stranger ? victim(kind, holder, &silent_since) : places_.end();
  if (chosen == places_.end()) chosen = victim(kind, holder, nullptr);
  if (chosen == places_.end()) return std::nullopt;
  set(chosen->second, Kind::closing, "");
  cut_(chosen->first);
  return chosen->second.source;
}

std::optional<std::string> Places::opened(int socket, std::string source, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (const auto stale = places_.find(socket); stale != places_.end()) {
    leave(stale->second);  // libmicrohttpd had no memory for it and closed it silently
    places_.erase(stale);
  }
  const auto held = counts(Kind::stranger).find(source);
  std::optional<std::string> gave_way;
  if (held != counts(Kind::stranger).end() && held->second >= limits_.connections_per_address) {
    ++hits_[ipc::FrontLimit::connections_per_address].hits;
    gave_way = give_way(Kind::stranger, &source, now);
  } else if (total(Kind::stranger) >= limits_.places_for_strangers()) {
    ++hits_[ipc::FrontLimit::connections_for_strangers].hits;
    gave_way = give_way(Kind::stranger, nullptr, now);
  }
  ++counts(Kind::stranger)[source];
  ++totals_[static_cast<std::size_t>(Kind::stranger)];
  places_.emplace(socket, Place{.kind = Kind::stranger, .holder = source, .source = source, .since = now});
  return gave_way;
}

Status Places::verified(int socket, const Peer& peer, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(socket);
  if (place == places_.end() || place->second.kind != Kind::stranger) return Done{};  // being closed
  const Kind kind = peer.is_agent ? Kind::agent : Kind::client;
  const unsigned most = peer.is_agent ? limits_.places_for_peers() : limits_.places_for_clients();
  if (total(kind) >= most) {
    ++hits_[peer.is_agent ? ipc::FrontLimit::connections_for_peers : ipc::FrontLimit::connections].hits;
    if (!give_way(kind, nullptr, now)) return Error(Code::unavailable, "the agent has too many connections");
  }
  set(place->second, kind, peer.key);
  place->second.since = now;
  return Done{};
}

void Places::busy(int socket) {
  const std::lock_guard lock(mutex_);
  if (const auto place = places_.find(socket); place != places_.end()) place->second.busy = true;
}

void Places::idle(int socket, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(socket);
  // A request refused at its head does not reset the idle time.
  if (place == places_.end() || !place->second.busy) return;
  place->second.busy = false;
  place->second.since = now;
}

void Places::closed(int socket) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(socket);
  if (place == places_.end()) return;
  leave(place->second);
  places_.erase(place);
}

std::string Places::source(int socket) const {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(socket);
  return place == places_.end() ? "unknown" : place->second.source;
}

void Places::add_to(ipc::Usage& usage) const {
  const std::lock_guard lock(mutex_);
  usage.add(hits_);
  usage[ipc::FrontLimit::connections].use = total(Kind::client);
  usage[ipc::FrontLimit::connections_for_peers].use = total(Kind::agent);
  usage[ipc::FrontLimit::connections_for_strangers].use = total(Kind::stranger);
  for (const auto& [source, held] : counts_[static_cast<std::size_t>(Kind::stranger)]) {
    auto& use = usage[ipc::FrontLimit::connections_per_address].use;
    use = std::max<std::uint64_t>(use, held);
  }
}

std::size_t Places::closing() const {
  const std::lock_guard lock(mutex_);
  return total(Kind::closing);
}

}  // namespace coprotect::agent::front
