#pragma once

#include <map>

#include "client/config.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/key_list.h"

namespace coprotect::client {

// A tenant's keys as a client knows them: those of its configuration and, beside it, what the agents told
// since: the newest key list (TENANT.keys) and the bundles of the keys in it (keys/KEY_ID.bundle). Nothing is
// trusted for lying there: the list is signed by the client CA in the first key's bundle, which is pinned;
// it names the other keys, and each of these is held by agents of a key that is known.
class KeyStore {
 public:
  // Reads the list, if there is one. Code::altered if it is not what the CA signed.
  static Result<KeyStore> open(const Config& config, protocol::Bundle first);

  const protocol::Bundle& first() const { return bundles_.at(first_id_); }
  // Null if none is known.
  const protocol::KeyList* list() const { return list_ ? &*list_ : nullptr; }
  // The list's entry for a key; null if no list names it.
  const protocol::KeyList::Entry* entry(const protocol::KeyId& key_id) const;
  // A key's bundle, checked. Code::not_found if the client does not have it.
  Result<protocol::Bundle> bundle(const protocol::KeyId& key_id);
  // Where a key's bundle is kept.
  std::filesystem::path file_of(const protocol::KeyId& key_id) const;
  // The key that new files are encrypted with: the one that the list says, the first one without a list.
  // Code::denied if none does.
  Result<protocol::KeyId> encrypting() const;

  // A list as an agent gave it, checked against the CA and the tenant.
  Result<protocol::KeyList> parse(ByteView list) const;
  // A bundle as an agent gave it for a key of the list. Code::unauthenticated if it is not this tenant's, of
  // this key, or of other agents than those of the first key.
  Result<protocol::Bundle> check(const protocol::KeyId& key_id, ByteView bundle) const;
  // Whether files may be encrypted to this key because a list says so: all agents of the first key hold
  // shares of it, and no organisations can use it that cannot use the first one. Code::denied otherwise; a
  // key that the configuration names may.
  Status check_encrypts_like_first(const protocol::Bundle& bundle) const;
  // Known from now on, and durable: a bundle; a list, after the bundles that it needs. Code::conflict for a
  // list that is older than the one that is known, or another of the same serial number, or one that no list
  // may have yet (protocol/message/list_serial.h). If the folder cannot be written, both are known to this
  // object all the same.
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
