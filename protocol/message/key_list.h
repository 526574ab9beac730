#pragma once

#include <string>
#include <vector>

#include "protocol/file/header.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

// The operations that are still allowed with a key.
enum class KeyUse : std::uint8_t { encrypts = 1, decrypt_only = 2, disabled = 3, destroyed = 4 };
// "encrypts", "decrypt-only", "disabled", "destroyed".
std::string_view key_use_name(KeyUse use);
// Nothing for an unknown name.
std::optional<KeyUse> key_use_named(std::string_view name);

// A tenant's keys and the use that each still allows, signed by its client CA (SPEC.md §10). A key that is
// not listed keeps every use that its purpose allows.
struct KeyList {
  static constexpr std::size_t kMaxKeys = 4096;
  struct Entry {
    KeyId key_id;
    KeyUse use;
    // When the use took effect. For a destroyed key: when the agents erase its shares.
    std::int64_t effective_ms;

    bool operator==(const Entry&) const = default;
  };
  std::string tenant;
  std::uint64_t serial;
  std::int64_t time_ms;
  // Newest first, at most kMaxKeys. No two entries for one key. Only the first may encrypt.
  std::vector<Entry> keys;

  // Null if the list does not contain the key.
  const Entry* find(const KeyId& key_id) const;
  // The entry that encrypts; null if none does.
  const Entry* encrypting() const;

  Bytes sign(const SigningKey& ca_key) const;
  // Checks the form, the rules for `keys`, and the signature under the CA's key.
  static Result<KeyList> parse(ByteView encoded, const Certificate& ca);
};

}  // namespace coprotect::protocol
