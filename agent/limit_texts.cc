#include "agent/limit_texts.h"

#include <array>

namespace coprotect::agent {
namespace {

using ipc::FrontLimit;
using ipc::Limits;

struct Named {
  FrontLimit limit;
  const char* name;
};
constexpr std::array<Named, ipc::kFrontLimits> kNames{{
    {FrontLimit::connections, "connections"},
    {FrontLimit::connections_for_strangers, "connections_for_strangers"},
    {FrontLimit::connections_per_address, "connections_per_address"},
    {FrontLimit::connections_for_peers, "connections_for_peers"},
    {FrontLimit::handshake_seconds, "handshake_seconds"},
    {FrontLimit::request_seconds, "request_seconds"},
    {FrontLimit::idle_seconds, "idle_seconds"},
    {FrontLimit::requests, "requests"},
    {FrontLimit::requests_of_peers, "requests of peers"},
    {FrontLimit::requests_per_client, "requests_per_client"},
    {FrontLimit::requests_per_peer, "requests_per_peer"},
    {FrontLimit::requests_per_tenant, "requests_per_tenant"},
    {FrontLimit::body_mib, "body_mib"},
    {FrontLimit::body_mib_of_peers, "body_mib of peers"},
    {FrontLimit::body_mib_per_client, "body_mib_per_client"},
    {FrontLimit::body_mib_per_tenant, "body_mib_per_tenant"},
}};

std::uint64_t value_of(FrontLimit limit, const Limits& limits) {
  switch (limit) {
    case FrontLimit::connections:
      return limits.places_for_clients();
    case FrontLimit::connections_for_strangers:
      return limits.places_for_strangers();
    case FrontLimit::connections_per_address:
      return limits.connections_per_address;
    case FrontLimit::connections_for_peers:
      return limits.places_for_peers();
    case FrontLimit::handshake_seconds:
      return limits.handshake_seconds;
    case FrontLimit::request_seconds:
      return limits.request_seconds;
    case FrontLimit::idle_seconds:
      return limits.idle_seconds;
    case FrontLimit::requests:
    case FrontLimit::requests_of_peers:
      return limits.requests;
    case FrontLimit::requests_per_client:
      return limits.requests_per_client;
    case FrontLimit::requests_per_peer:
      return limits.requests_per_peer;
    case FrontLimit::requests_per_tenant:
      return limits.requests_per_tenant;
    case FrontLimit::body_mib:
    case FrontLimit::body_mib_of_peers:
      return limits.body_mib;
    case FrontLimit::body_mib_per_client:
      return limits.body_mib_per_client;
    case FrontLimit::body_mib_per_tenant:
      return limits.body_mib_per_tenant;
  }
  return 0;
}

}  // namespace

std::vector<LimitUse> front_uses(const Limits& limits, const ipc::Usage& usage) {
  std::vector<LimitUse> all;
  for (const auto& [limit, name] : kNames)
    all.push_back({"front", name, value_of(limit, limits), usage[limit].use, usage[limit].hits});
  return all;
}

std::string text_of_use(const LimitUse& use) {
  const bool is_time = use.name.ends_with("_seconds");
  return "limit " + use.at + " " + use.name + ": " + (is_time ? "" : std::to_string(use.use) + " of ") +
         std::to_string(use.limit) + ", hit " + std::to_string(use.hits) + " times";
}

std::string prometheus_text(std::span<const LimitUse> uses) {
  const auto series = [&](const std::string& name, const char* type, std::uint64_t LimitUse::*value) {
    std::string text = "# TYPE " + name + " " + type + "\n";
    for (const LimitUse& use : uses)
      text +=
          name + "{at=\"" + use.at + "\",limit=\"" + use.name + "\"} " + std::to_string(use.*value) + "\n";
    return text;
  };
  return series("coprotect_limit", "gauge", &LimitUse::limit) +
         series("coprotect_limit_use", "gauge", &LimitUse::use) +
         series("coprotect_limit_hits_total", "counter", &LimitUse::hits);
}

}  // namespace coprotect::agent
