#include "agent/relay/peers.h"

namespace coprotect::agent::relay {
namespace {

constexpr unsigned kMaxUnderWay = 16;          // to one peer: a hanging one must not use up all threads
constexpr unsigned kMaxOfSilent = 1;           // until it answers one
constexpr std::chrono::seconds kKeepIdle(50);  // agents close connections that are idle for 60 s

std::string path_of(const ipc::Forward& forward) {
  switch (forward.route) {
    case ipc::PeerRoute::decrypt:
      return "/v1/keys/" + to_hex(forward.key_id) + "/decrypt";
    case ipc::PeerRoute::peer_state:
      return "/v1/peers/state";
  }
  std::abort();
}

}  // namespace

void Peers::use(std::shared_ptr<const TlsIdentity> self) {
  const std::lock_guard lock(mutex_);
  self_ = std::move(self);
  for (auto& [name, peer] : peers_) peer.idle.clear();
}

// Returns a list of one element, which can be spliced into the peer's list and out of it.
Result<std::list<Peers::Connection>> Peers::take(const ipc::Forward& forward, const Name& name) {
  auto identity = protocol::Certificate::parse_der(forward.identity_certificate);
  if (!identity) return std::move(identity).error().in("identity certificate");
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (auto& [other, peer] : peers_)
    peer.idle.remove_if(
        [&](const Connection& connection) { return now - connection.idle_since > kKeepIdle; });
  std::erase_if(peers_, [](const auto& entry) {
    return entry.second.idle.empty() && entry.second.under_way == 0 && !entry.second.silent;
  });

  Peer& peer = peers_[name];
  if (peer.silent && peer.under_way >= kMaxOfSilent)
    return Error(Code::unavailable, "unavailable: it has not answered the request before this one");
  if (peer.under_way >= kMaxUnderWay)
    return Error(Code::limited, "limited: too many requests to it are under way");
  ++peer.under_way;
  std::list<Connection> taken;
  if (!peer.idle.empty()) {
    taken.splice(taken.begin(), peer.idle, peer.idle.begin());
    return taken;
  }
  const auto& self = *self_;
  taken.push_back({.self = self_,
                   .client = client::AgentClient(
                       {.party = {}, .url = forward.url, .identity_certificate = *std::move(identity)},
                       {.chain = {self.certificate}, .key = &self.key}, std::chrono::seconds(1))});
  return taken;
}

void Peers::give_back(const Name& name, std::list<Connection> connection, bool silent) {
  connection.front().idle_since = Clock::now();
  const std::lock_guard lock(mutex_);
  Peer& peer = peers_[name];
  --peer.under_way;
  peer.silent = silent;
  if (connection.front().self == self_) peer.idle.splice(peer.idle.begin(), connection);
}

Result<Bytes> Peers::post(const ipc::Forward& forward, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  if (left.count() <= 0) return Error(Code::unavailable, "unavailable: no time was left to ask it");
  const Name name(forward.url, forward.identity_certificate);
  auto connection = take(forward, name);
  if (!connection) return std::move(connection).error();
  client::AgentClient& client = connection->front().client;
  client.set_deadline(left);
  auto answer = client.post(path_of(forward), forward.body);
  const bool silent = !answer && Clock::now() >= deadline;
  give_back(name, *std::move(connection), silent);
  return answer;
}

}  // namespace coprotect::agent::relay
