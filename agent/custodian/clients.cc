#include "agent/custodian/clients.h"

#include <algorithm>
#include <mutex>

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

using protocol::ClientList;

Digest ClientLists::mac(std::string_view tenant, ByteView list) const {
  Writer w;
  w.literal("CPV1-ROW-CLIENTS").lp(tenant).lp4(list);
  return keyring_.mac(w.view());
}

Status ClientLists::load(Transaction& transaction, const Keys& keys) {
  Query query = transaction.query("SELECT tenant, list, mac FROM client_lists");
  return query.each([&]() -> Status {
    const std::string tenant = query.text(0);
    const std::string name = "store: the client list of tenant \"" + tenant + "\"";
    Bytes encoded = query.blob(1);
    if (!equal_in_constant_time(mac(tenant, encoded), query.blob(2)))
      return Error(Code::altered, name + " was altered: its MAC does not hold");
    const KeyPtr key = keys.of_tenant(tenant);
    if (key == nullptr) return Error(Code::altered, name + " has no key: a row was removed");
    auto list = ClientList::parse(encoded, key->client_ca());
    if (!list) return std::move(list).error().in(name);
    transaction.rows().put(Table::client_lists, query.blob(0), query.blob(2));
    lists_.emplace(tenant, std::make_shared<const EnrolledClients>(
                               EnrolledClients{*std::move(list), std::move(encoded)}));
    return Done{};
  });
}

Status ClientLists::put(Transaction& transaction, EnrolledClientsPtr clients, std::int64_t now_ms) {
  const std::string& tenant = clients->list.tenant;
  const auto present = of_tenant(tenant);
  if (auto follows =
          protocol::check_serial("client list of tenant \"" + tenant + "\"",
                                 present == nullptr ? 0 : present->list.serial, clients->list.serial, now_ms);
      !follows)
    return follows;
  const Digest row_mac = mac(tenant, clients->encoded);
  const auto written =
      transaction.query("INSERT OR REPLACE INTO client_lists(tenant, list, mac) VALUES(?, ?, ?)")
          .bind(tenant)
          .bind(clients->encoded)
          .bind(row_mac)
          .run(Rows::one);
  if (!written) return written;
  transaction.rows().put(Table::client_lists, Bytes(tenant.begin(), tenant.end()),
                         Bytes(row_mac.begin(), row_mac.end()));
  transaction.after_commit([this, clients = std::move(clients)] {
    const std::unique_lock lock(mutex_);
    lists_.insert_or_assign(clients->list.tenant, clients);
  });
  return Done{};
}

EnrolledClientsPtr ClientLists::of_tenant(std::string_view tenant) const {
  const std::shared_lock lock(mutex_);
  const auto found = lists_.find(tenant);
  return found == lists_.end() ? nullptr : found->second;
}

bool ClientLists::enrolled(const protocol::ClientIdentity& identity,
                           const protocol::Certificate& certificate) const {
  const auto clients = of_tenant(identity.tenant);
  if (clients == nullptr) return false;
  const auto entry = clients->list.clients.find(certificate.key_hash());
  return entry != clients->list.clients.end() && entry->second == identity.uri;
}

bool ClientLists::recovery_enrolled(const Key& key) const {
  const protocol::VerifyKey* const administrator = key.parameters().recovery_administrator();
  const auto clients = of_tenant(key.tenant());
  if (administrator == nullptr || clients == nullptr) return false;
  const auto entry = clients->list.clients.find(protocol::key_hash_of(*administrator));
  return entry != clients->list.clients.end() &&
         entry->second.starts_with("coprotect:" + key.tenant() + ":recovery:");
}

}  // namespace coprotect::agent::custodian
