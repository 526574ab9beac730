#include "agent/custodian/take_list.h"

#include <algorithm>
#include <functional>
#include <map>

#include "agent/custodian/record.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;

// Writes the list and its log entry in one durable step. A peer may have delivered the same list meanwhile.
Status make_durable(Store& store, Log& log, protocol::LogEntry entry, const std::function<bool()>& is_present,
                    const std::function<Status(Transaction&)>& put) {
  auto transaction = store.begin();
  if (!transaction) return std::move(transaction).error();
  if (is_present()) return Done{};
  if (auto taken = put(*transaction); !taken) return taken;
  const std::string point = "agent-" + std::string(protocol::entry_kind_name(entry.kind));
  if (auto recorded = log.append(*transaction, std::move(entry)); !recorded) return recorded;
  fault_point((point + "-commit").c_str());
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point((point + "-committed").c_str());
  return Done{};
}

template <typename List>
protocol::LogEntry entry_for(EntryKind kind, const List& list, ByteView encoded, const std::string& what,
                             std::int64_t now_ms) {
  auto entry = entry_of(kind, list.tenant, now_ms);
  entry.request_hash = protocol::sha256(encoded);
  entry.detail = "serial " + std::to_string(list.serial) + ", " + what;
  return entry;
}

// Enough to identify those concerned, but few enough that the most important are not cut off: in each group,
// clients of role recovery come first, then administrators.
constexpr std::size_t kNamed = 3;

using Clients = std::map<Digest, std::string>;

std::string named(std::string_view what, const Clients& of, const Clients& missing_in,
                  const std::string& tenant) {
  std::vector<std::string> found;
  for (const auto& client : of)
    if (const auto same = missing_in.find(client.first);
        same == missing_in.end() || same->second != client.second)
      found.push_back(client.second);
  if (found.empty()) return "";
  const auto rank = [&](const std::string& uri) {
    const std::string_view role = std::string_view(uri).substr(std::min(uri.size(), tenant.size() + 11));
    return role.starts_with("recovery:") ? 0 : role.starts_with("admin:") ? 1 : 2;
  };
  std::ranges::stable_sort(found, {}, rank);
  std::string text = "; " + std::string(what) + " " + std::to_string(found.size()) + ":";
  for (std::size_t i = 0; i < std::min(kNamed, found.size()); ++i) text += " " + found[i];
  return found.size() > kNamed ? text + " …" : text;
}

std::string changes(const EnrolledClientsPtr& before, const protocol::ClientList& after) {
  const Clients none;
  const Clients& old = before == nullptr ? none : before->list.clients;
  return named("removed", old, after.clients, after.tenant) +
         named("added", after.clients, old, after.tenant);
}

}  // namespace

Status take_client_list(Store& store, ClientLists& clients, Log& log, const Key& key, ByteView encoded,
                        std::int64_t now_ms) {
  auto list = protocol::ClientList::parse(encoded, key.client_ca());
  if (!list) return std::move(list).error();
  if (list->tenant != key.tenant()) return Error(Code::malformed, "the client list is of another tenant");
  const auto is_present = [&] {
    const auto present = clients.of_tenant(key.tenant());
    return present && std::ranges::equal(present->encoded, encoded);
  };
  if (is_present()) return Done{};
  const auto present = clients.of_tenant(key.tenant());
  auto entry = entry_for(EntryKind::client_list, *list, encoded,
                         std::to_string(list->clients.size()) + " clients" + changes(present, *list), now_ms);
  auto enrolled = std::make_shared<const EnrolledClients>(
      EnrolledClients{*std::move(list), Bytes(encoded.begin(), encoded.end())});
  return make_durable(store, log, std::move(entry), is_present,
                      [&](Transaction& t) { return clients.put(t, std::move(enrolled), now_ms); });
}

Status take_key_list(Store& store, KeyLists& lists, Log& log, const Key& key, ByteView encoded,
                     std::int64_t now_ms, bool missed) {
  auto list = protocol::KeyList::parse(encoded, key.client_ca());
  if (!list) return std::move(list).error();
  if (list->tenant != key.tenant()) return Error(Code::malformed, "the key list is of another tenant");
  const auto is_present = [&] {
    const auto present = lists.of_tenant(key.tenant());
    return present && std::ranges::equal(present->encoded, encoded);
  };
  if (is_present()) return Done{};
  auto entry =
      entry_for(EntryKind::key_list, *list, encoded, std::to_string(list->keys.size()) + " keys", now_ms);
  auto keys = std::make_shared<const SignedKeyList>(
      SignedKeyList{*std::move(list), Bytes(encoded.begin(), encoded.end())});
  return make_durable(store, log, std::move(entry), is_present,
                      [&](Transaction& t) { return lists.put(t, std::move(keys), now_ms, missed); });
}

Status take_list(protocol::ListKind kind, Store& store, TenantLists lists, Log& log, const Key& key,
                 ByteView encoded, std::int64_t now_ms) {
  return kind == protocol::ListKind::keys ? take_key_list(store, lists.keys, log, key, encoded, now_ms, true)
                                          : take_client_list(store, lists.clients, log, key, encoded, now_ms);
}

}  // namespace coprotect::agent::custodian
