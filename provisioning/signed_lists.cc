#include "provisioning/signed_lists.h"

#include <algorithm>
#include <array>
#include <limits>

#include "protocol/base/fault.h"
#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "protocol/message/list_receipt.h"
#include "protocol/message/list_serial.h"
#include "provisioning/clock.h"
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
                                      serial_of<protocol::ClientList>, protocol::ListKind::clients};
constinit const ListKind kKeyLists{"key list", "keys", "key-list", serial_of<protocol::KeyList>,
                                   protocol::ListKind::keys};

SignedLists::SignedLists(const ListKind& kind, const protocol::Bundle& bundle,
                         std::vector<protocol::Certificate> chain, const protocol::SigningKey& key)
    : kind_(kind),
      ca_(bundle.parameters()->client_ca),
      path_("/v1/tenants/" + bundle.tenant() + "/" + std::string(kind.path)) {
  for (const protocol::Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    agents_.push_back(
        {.link = {{party.name, party.url, *party.identity_certificate}, {chain, &key}, kListDeadline},
         .identity = party.identity_key,
         .list = std::nullopt,
         .answered = false});
  }
}

Result<std::uint64_t> told_serial(const ListKind& kind, ByteView list, const protocol::Certificate& ca,
                                  const std::string& agent) {
  const std::string name = agent + " agent's " + std::string(kind.name);
  const auto serial = kind.serial(list, ca);
  if (!serial) return Error(serial.error()).in(name);
  if (auto fits = protocol::check_serial(name, 0, *serial, now_ms()); !fits)
    return with_hint(std::move(fits).error(), "the agent lies, or its clock or this one is wrong");
  return *serial;
}

Result<std::uint64_t> serial_after(const ListKind& kind, std::uint64_t present) {
  if (present < std::numeric_limits<std::uint64_t>::max()) return present + 1;
  return with_hint(Error(Code::conflict, "no list can follow the present " + std::string(kind.name) +
                                             ": it has the last serial number there is"),
                   "an agent takes no such leap: the list was signed by other means, or is in this folder "
                   "only; find out who has the client CA's key");
}

Result<std::uint64_t> serial_past_all(const ListKind& kind, std::uint64_t present, std::int64_t now_ms) {
  const auto next = serial_after(kind, present);
  if (!next) return next;
  return std::max(*next, static_cast<std::uint64_t>(now_ms));
}

Result<Bytes> SignedLists::newest(const std::optional<Bytes>& local) {
  std::vector<std::uint64_t> serials;
  std::vector<std::pair<std::string, Bytes>> lists;  // by the agent that reported it
  if (local) {
    auto known = kind_.serial(*local, ca_);
    if (!known) return std::move(known).error().in("\"" + std::string(kind_.file) + "\"");
    serials.push_back(*known);
    lists.emplace_back("this folder", *local);
  }
  // One agent's error must not prevent work at the others.
  std::optional<Error> failed;
  for (Agent& agent : agents_) {
    auto list = agent.link.get(path_);
    if (!list && list.error().code() == Code::not_found) {
      agent.answered = true;
      continue;
    }
    auto known = list ? told_serial(kind_, *list, ca_, agent.link.endpoint().party)
                      : Result<std::uint64_t>(list.error());
    if (!known) {
      failed = std::move(known).error();
      continue;
    }
    agent.answered = true;
    serials.push_back(*known);
    lists.emplace_back(agent.link.endpoint().party + " agent", *list);
    agent.list = std::move(*list);
  }
  if (failed && std::ranges::none_of(agents_, &Agent::answered)) return std::move(*failed);
  if (lists.empty()) return Error(Code::not_found, "no agent has a " + std::string(kind_.name));
  const auto newest = static_cast<std::size_t>(std::ranges::max_element(serials) - serials.begin());
  Fork fork{.serial = serials[newest], .lists = {}, .what = "", .in_folder = local.has_value()};
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (serials[i] != fork.serial) continue;
    fork.what += (fork.what.empty() ? "" : " and ") + lists[i].first;
    if (std::ranges::find(fork.lists, lists[i].second) == fork.lists.end())
      fork.lists.push_back(lists[i].second);
  }
  fork_.reset();
  if (fork.lists.size() == 1) return std::move(lists[newest].second);
  fork.what += " have different " + std::string(kind_.name) + "s with serial " + std::to_string(fork.serial) +
               ": somebody else has the client CA's key, or a copy of its folder is in use";
  fork_ = std::move(fork);
  return local ? *local : fork_->lists.front();
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
    if (taken && !protocol::verify_list_receipt(agent.identity, kind_.kind, list, *taken))
      taken = with_hint(Error(Code::bad_proof, agent.link.endpoint().party + " agent: the answer to the " +
                                                   std::string(kind_.name) +
                                                   " is not signed by the agent: it may not have taken it"),
                        "ask that agent's operator what answers in its place");
    fault_point(("after " + point).c_str());
    constexpr std::array kMayHaveIt = {Code::unavailable, Code::internal, Code::bad_proof};
    agent.refused = !taken && std::ranges::find(kMayHaveIt, taken.error().code()) == kMayHaveIt.end();
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
