#pragma once

#include "protocol/file/header.h"

namespace coprotect::protocol {

// A fresh secret for whoever may use an envelope key, without a file around it (SPEC.md §9.5).
constexpr std::size_t kEncapsulatedSecretSize = 32;

struct Encapsulated {
  Bytes encapsulation;
  Secret secret;
};
Encapsulated encapsulate(const PublicKey& key, const KeyId& key_id, Random& random);

// The header in an encapsulation, whose one stanza is `key_id`'s. Code::malformed if the bytes are no
// encapsulation, Code::not_found if it is another key's.
Result<Header> parse_encapsulation(ByteView encoded, const KeyId& key_id);
// S from the file key that Header::unlock() gives.
Secret encapsulated_secret(const Secret& file_key);

}  // namespace coprotect::protocol
