#pragma once

#include <map>
#include <mutex>

#include "agent/custodian/keys.h"
#include "protocol/message/handover.h"

namespace coprotect::agent::custodian {

// What recovery administrators announced that they will do, one for each key. A row is under a MAC.
class Announcements {
 public:
  explicit Announcements(const hsm::Keyring& keyring) : keyring_(keyring) {}

  Status load(Transaction& transaction);
  Status put(Transaction& transaction, const protocol::KeyId& key_id, protocol::HandoverNotice notice);
  Status remove(Transaction& transaction, const protocol::KeyId& key_id);
  std::optional<protocol::HandoverNotice> of(const protocol::KeyId& key_id) const;

 private:
  Digest mac(const protocol::KeyId& key_id, ByteView notice) const;

  const hsm::Keyring& keyring_;
  mutable std::mutex mutex_;
  std::map<protocol::KeyId, protocol::HandoverNotice> notices_;
};

}  // namespace coprotect::agent::custodian
