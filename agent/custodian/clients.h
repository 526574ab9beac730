#pragma once

#include <map>
#include <memory>
#include <shared_mutex>

#include "agent/custodian/keys.h"
#include "protocol/message/client_list.h"
#include "protocol/message/list_serial.h"

namespace coprotect::agent::custodian {

// A tenant's client list and its encoding as the CA signed it.
struct EnrolledClients {
  protocol::ClientList list;
  Bytes encoded;
};
using EnrolledClientsPtr = std::shared_ptr<const EnrolledClients>;

// The enrolled clients of each tenant. Removing a key from the list takes effect immediately.
class ClientLists {
 public:
  explicit ClientLists(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads every row. Code::altered names a row whose MAC does not verify or that belongs to no key.
  Status load(Transaction& transaction, const Keys& keys);
  // Code::conflict unless the list's serial may follow the current one's (protocol/message/list_serial.h).
  Status put(Transaction& transaction, EnrolledClientsPtr clients, std::int64_t now_ms);

  // Null if the tenant has no list yet.
  EnrolledClientsPtr of_tenant(std::string_view tenant) const;
  // Whether the certificate's key is enrolled under this identity.
  bool enrolled(const protocol::ClientIdentity& identity, const protocol::Certificate& certificate) const;
  // Whether the key's recovery administrator is enrolled; otherwise its kit and code open nothing. False for
  // a key that has none.
  bool recovery_enrolled(const Key& key) const;

 private:
  Digest mac(std::string_view tenant, ByteView list) const;

  const hsm::Keyring& keyring_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, EnrolledClientsPtr, std::less<>> lists_;
};

}  // namespace coprotect::agent::custodian
