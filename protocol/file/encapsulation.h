#pragma once

#include "protocol/file/header.h"

namespace coprotect::protocol {

// A fresh secret for holders of access to an envelope key, without a file (SPEC.md §9.5).
constexpr std::size_t kEncapsulatedSecretSize = 32;

struct Encapsulated {
  Bytes encapsulation;
  Secret secret;
};
Encapsulated encapsulate(const PublicKey& key, const KeyId& key_id, Random& random);

// The header in an encapsulation. Its one stanza is for `key_id`. Code::malformed if the bytes are not an
// encapsulation, Code::not_found if it is for another key.
Result<Header> parse_encapsulation(ByteView encoded, const KeyId& key_id);
// S from the file key that Header::unlock() returns.
Secret encapsulated_secret(const Secret& file_key);

}  // namespace coprotect::protocol
