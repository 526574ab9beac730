#pragma once

#include "agent/custodian/keys.h"

namespace coprotect::agent::custodian {

// A key as a row of the table `keys`.
struct KeyRow {
  Bytes key_id;
  Bytes sid;
  Bytes invitation;
  std::int64_t state;
  std::int64_t epoch;
  // Of a key prepared by a key generation: its transcript. Of a key prepared by a handover: lp4(the bundle
  // before) ‖ transcript. Otherwise: the bundle.
  Bytes description;
  Bytes shares;  // count u8, for each: index u8 ‖ lp4(sealed share)
  Bytes recovery_blob;
  Bytes recovery_parts;
  std::int64_t decided;
  Bytes acknowledgements;  // protocol::encode_statements()

  static KeyRow of(const Key& key);
  // The key, if the row belongs to this agent's identity.
  Result<Key> parse(const protocol::VerifyKey& identity) const;
  // The bytes under the MAC.
  Bytes authenticated() const;
};

// Key::preparation, encoded as `description` above.
Bytes encode_preparation(const protocol::PublicTranscript& transcript);
Bytes encode_preparation(const protocol::Bundle& before, const protocol::HandoverTranscript& transcript);
// The transcript of a key prepared by a handover, and the bundle that it follows.
struct PreparedHandover {
  protocol::Bundle before;
  protocol::HandoverTranscript transcript;
};
Result<PreparedHandover> parse_prepared_handover(ByteView preparation);

}  // namespace coprotect::agent::custodian
