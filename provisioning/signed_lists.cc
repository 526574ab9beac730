#include "provisioning/client_lists.h"

#include <algorithm>

#include "protocol/base/fault.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

constexpr std::chrono::seconds kDeadline{30};

}  // namespace

ClientLists::ClientLists(const protocol::Bundle& bundle, std::vector<protocol::Certificate> chain,
                         const protocol::SigningKey& key)
    : ca_(bundle.parameters()->client_ca), path_("/v1/tenants/" + bundle.tenant() + "/clients") {
  for (const protocol::Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    agents_.push_back(
        {.link = {{party.name, party.url, *party.identity_certificate}, {chain, &key}, kDeadline},
         .list = std::nullopt,
         .answered = false});
  }
}

Result<Bytes> ClientLists::newest(const std::optional<Bytes>& local) {
  std::optional<Bytes> newest = local;
  std::uint64_t serial = 0;
  if (local) {
    auto parsed = protocol::ClientList::parse(*local, ca_);
    if (!parsed) return std::move(parsed).error().in("\"" + std::string(kClientListFile) + "\"");
    serial = parsed->serial;
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
    auto parsed = protocol::ClientList::parse(*list, ca_);
    if (!parsed) return std::move(parsed).error().in(agent.link.endpoint().party + " agent's client list");
    if (newest && parsed->serial == serial && *list != *newest)
      return with_hint(
          Error(Code::conflict,
                agent.link.endpoint().party + " agent has another client list with the same serial number"),
          "the client CA's folder was copied and both copies are used: keep one");
    if (!newest || parsed->serial > serial) {
      serial = parsed->serial;
      newest = *list;
    }
    agent.list = std::move(*list);
  }
  if (unreachable && std::ranges::none_of(agents_, &Agent::answered)) return std::move(*unreachable);
  if (!newest) return Error(Code::not_found, "no agent has a client list");
  return std::move(*newest);
}

bool ClientLists::someone_lacks(ByteView list) const {
  return std::ranges::any_of(
      agents_, [&](const Agent& agent) { return !agent.list || !std::ranges::equal(*agent.list, list); });
}

Status ClientLists::push(ByteView list) {
  std::optional<Error> failed;
  for (Agent& agent : agents_) {
    const std::string point = "send client list to " + agent.link.endpoint().party;
    fault_point(("before " + point).c_str());
    auto taken = agent.link.put(path_, list);
    fault_point(("after " + point).c_str());
    if (taken) continue;
    failed = failed ? Error(failed->code(), failed->message() + "; " + taken.error().message())
                    : std::move(taken).error();
  }
  if (!failed) return Done{};
  if (failed->code() != Code::unavailable) return std::move(*failed);
  return with_hint(std::move(*failed), "the same command again, once the agent answers, completes this");
}

}  // namespace coprotect::provisioning
