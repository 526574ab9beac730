#include "agent/custodian/take_list.h"

#include <algorithm>

#include "agent/custodian/record.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {

Status take_client_list(Store& store, ClientLists& clients, Log& log, const Key& key, ByteView encoded,
                        std::int64_t now_ms) {
  auto list = protocol::ClientList::parse(encoded, key.client_ca());
  if (!list) return std::move(list).error();
  if (list->tenant != key.tenant()) return Error(Code::malformed, "the client list is of another tenant");
  if (const auto present = clients.of_tenant(key.tenant());
      present && std::ranges::equal(present->encoded, encoded))
    return Done{};

  auto entry = entry_of(protocol::EntryKind::client_list, list->tenant, now_ms);
  entry.request_hash = protocol::sha256(encoded);
  entry.detail =
      "serial " + std::to_string(list->serial) + ", " + std::to_string(list->clients.size()) + " clients";
  auto transaction = store.begin();
  if (!transaction) return std::move(transaction).error();
  auto enrolled =
      std::make_shared<const EnrolledClients>(*std::move(list), Bytes(encoded.begin(), encoded.end()));
  if (auto put = clients.put(*transaction, std::move(enrolled)); !put) return put;
  if (auto recorded = log.append(*transaction, std::move(entry)); !recorded) return recorded;
  return transaction->commit();
}

}  // namespace coprotect::agent::custodian
