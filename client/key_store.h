#pragma once

#include <map>

#include "client/config.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/key_list.h"

namespace coprotect::client {

// A tenant's keys as a client knows them: those of its configuration and, beside it, what agents sent later:
// the newest key list (TENANT.keys) and the bundles of its keys (keys/KEY_ID.bundle). Stored files are not
// trusted. The client CA in the first key's bundle, which is pinned, signs the list. The list names the other
// keys, and agents of a known key hold each of them.
class KeyStore {
 public:
  // Reads the list if there is one. Code::altered if it is not what the CA signed.
  static Result<KeyStore> open(const Config& config, protocol::Bundle first);

  const protocol::Bundle& first() const { return bundles_.at(first_id_); }
  // Null if no list is known.
  const protocol::KeyList* list() const { return list_ ? &*list_ : nullptr; }
  // The list's entry for a key. Null if there is no list, or it does not name the key.
  const protocol::KeyList::Entry* entry(const protocol::KeyId& key_id) const;
  // A key's bundle, checked. Code::not_found if the client does not have it.
  Result<protocol::Bundle> bundle(const protocol::KeyId& key_id);
  // The file for a key's bundle.
  std::filesystem::path file_of(const protocol::KeyId& key_id) const;
  // The key with which new files are encrypted: the one in the list, or the first one if there is no list.
  // Code::denied if no key encrypts.
  Result<protocol::KeyId> encrypting() const;

  // Parses a list from an agent, and checks it against the CA and the tenant.
  Result<protocol::KeyList> parse(ByteView list) const;
  // Checks a bundle from an agent for a key of the list. Code::unauthenticated if it belongs to another
  // tenant or key, or to other agents than those of the first key.
  Result<protocol::Bundle> check(const protocol::KeyId& key_id, ByteView bundle) const;
  // Checks that files may be encrypted to this key because a list says so: all agents of the first key hold
  // shares of it, and no organisations can use it that cannot use the first key. Otherwise Code::denied. A
  // key that the configuration names is always allowed.
  Status check_encrypts_like_first(const protocol::Bundle& bundle) const;
  // Stores a bundle, or a list, durably. Store a list after the bundles that it needs. Code::conflict for a
  // list that is older than the known one, has the same serial number but other contents, or has a serial
  // that no list may have yet (protocol/message/list_serial.h). If the folder cannot be written, this object
  // still knows both.
  Status keep(protocol::Bundle bundle);
  Status keep(ByteView list, std::int64_t now_ms);

 private:
  KeyStore(const Config& config, protocol::Bundle first);
  std::filesystem::path list_file() const { return folder_ / (first().tenant() + ".keys"); }
  std::filesystem::path bundle_file(const protocol::KeyId& key_id) const {
    return folder_ / "keys" / (to_hex(key_id) + ".bundle");
  }

  std::filesystem::path folder_;
  std::filesystem::path first_file_;
  std::map<std::string, ConfiguredKey> configured_;
  protocol::KeyId first_id_;
  std::map<protocol::KeyId, protocol::Bundle> bundles_;
  std::optional<protocol::KeyList> list_;
  Bytes encoded_list_;
};

}  // namespace coprotect::client
