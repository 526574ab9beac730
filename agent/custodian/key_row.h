#pragma once

#include "agent/custodian/keys.h"

namespace coprotect::agent::custodian {

// A key as the table `keys` has it.
struct KeyRow {
  Bytes key_id;
  Bytes sid;
  Bytes invitation;
  std::int64_t state;
  std::int64_t epoch;
  Bytes description;  // a prepared key's transcript, an active key's bundle
  Bytes shares;       // count u8, for each: index u8 ‖ lp4(sealed share)
  Bytes recovery_blob;

  static KeyRow of(const Key& key);
  // The key, if the row is one of this agent's identity.
  Result<Key> parse(const protocol::VerifyKey& identity) const;
  // What is under the MAC.
  Bytes authenticated() const;
};

}  // namespace coprotect::agent::custodian
