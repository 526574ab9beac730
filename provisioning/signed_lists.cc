#include "provisioning/signed_lists.h"

#include <algorithm>

#include "protocol/base/fault.h"
#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

constexpr std::chrono::seconds kListDeadline{30};

template <typename List>
Result<std::uint64_t> serial_of(ByteView list, const protocol::Certificate& ca) {
  const auto parsed = List::parse(list, ca);
  if (!parsed) return parsed.error();
  return parsed->serial;
}

}  // namespace

constinit const ListKind kClientLists{"client list", "clients", "client-list",
                                      serial_of<protocol::ClientList>};
constinit const ListKind kKeyLists{"key list", "keys", "key-list", serial_of<protocol::KeyList>};

SignedLists::SignedLists(const ListKind& kind, const protocol::Bundle& bundle,
                         std::vector<protocol::Certificate> chain, const protocol::SigningKey& key)
    : kind_(kind),
      ca_(bundle.parameters()->client_ca),
      path_("/v1/tenants/" + bundle.tenant() + "/" + std::string(kind.path)) {
  for (const protocol::Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    agents_.push_back(
        {.link = {{party.name, party.url, *party.identity_certificate}, {chain, &key}, kListDeadline},
         .list = std::nullopt,
         .answered = false});
  }
}

Result<Bytes> SignedLists::newest(const std::optional<Bytes>& local) {
  std::optional<Bytes> newest = local;
  std::uint64_t serial = 0;
  if (local) {
    auto known = kind_.serial(*local, ca_);
    if (!known) return std::move(known).error().in("\"" + std::string(kind_.file) + "\"");
    serial = *known;
  }
  std::optional<Error> unreachable;
  for (Agent& agent : agents_) {
    auto list = agent.link.get(path_);
    if (!list && list.error().code() == Code::unavailable) {
      unreachable = std::move(list).error();
      continue;
    }
    agent.answered = true;
    if (!list && list.error().code() == Code::not_found) continue;
    if (!list) return list;
    const std::string whose = agent.link.endpoint().party + " agent";
    auto known = kind_.serial(*list, ca_);
    if (!known) return std::move(known).error().in(whose + "'s " + std::string(kind_.name));
    if (newest && *known == serial && *list != *newest)
      return with_hint(Error(Code::conflict, whose + " has another " + std::string(kind_.name) +
                                                 " with the same serial number"),
                       "the client CA's folder was copied and both copies are used: keep one");
    if (!newest || *known > serial) {
      serial = *known;
      newest = *list;
    }
    agent.list = std::move(*list);
  }
  if (unreachable && std::ranges::none_of(agents_, &Agent::answered)) return std::move(*unreachable);
  if (!newest) return Error(Code::not_found, "no agent has a " + std::string(kind_.name));
  return std::move(*newest);
}

bool SignedLists::someone_lacks(ByteView list) const {
  return std::ranges::any_of(
      agents_, [&](const Agent& agent) { return !agent.list || !std::ranges::equal(*agent.list, list); });
}

Status SignedLists::push(ByteView list) {
  std::optional<Error> failed;
  for (Agent& agent : agents_) {
    const std::string point = "send " + std::string(kind_.name) + " to " + agent.link.endpoint().party;
    fault_point(("before " + point).c_str());
    auto taken = agent.link.put(path_, list);
    fault_point(("after " + point).c_str());
    agent.refused =
        !taken && taken.error().code() != Code::unavailable && taken.error().code() != Code::internal;
    if (taken) continue;
    failed = failed ? Error(failed->code(), failed->message() + "; " + taken.error().message())
                    : std::move(taken).error();
  }
  if (!failed) return Done{};
  if (failed->code() != Code::unavailable) return std::move(*failed);
  return with_hint(std::move(*failed),
                   "the other agent tells it as soon as it answers; the same command again does so at once");
}

bool SignedLists::refused_by_all() const {
  return std::ranges::all_of(agents_, &Agent::refused);
}

}  // namespace coprotect::provisioning
