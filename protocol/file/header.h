#pragma once

#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"
#include "protocol/threshold/tdh2.h"

namespace coprotect::protocol {

using KeyId = Digest;
constexpr std::uint16_t kStanzaTdh2 = 0x0001;
// Never assigned (FILE.md §4.1).
constexpr std::uint16_t kStanzaReserved = 0x0000;
constexpr std::size_t kMaxPolicySize = 65'535;
// No header is longer than this, so a reader need not read more.
constexpr std::size_t kMaxHeaderSize = 128 * 1024;

// CORE of SPEC.md §9.1: the part that is bound to the ciphertext. The policy is kept as bytes; Policy::parse
// parses it.
struct Core {
  SuiteId suite;
  ByteArray<32> file_nonce;
  Bytes policy;

  // All of `encoded` must be one core.
  static Result<Core> parse(ByteView encoded);
  Bytes encode() const;
};

// L of SPEC.md §9.1, from SHA-256 of the encoded core.
Digest stanza_label(const Digest& core_hash, std::uint16_t type, const KeyId& key_id);

struct Stanza {
  KeyId key_id;
  Ciphertext ciphertext;
};

// A stanza of a type that this program does not know, as it is in the file (FILE.md §4.1).
struct UnknownStanza {
  std::uint16_t type;
  Bytes content;
};

// A file's header: core, stanzas, HMAC. Parsed from untrusted bytes. The HMAC can be checked only with the
// file key.
class Header {
 public:
  // Reads a header from the front of `bytes` (at most kMaxHeaderSize of a file). Code::malformed if it is not
  // a header or has no stanza of a known type. Other stanzas may have unknown types.
  static Result<Header> parse(ByteView bytes);
  // Makes a header that wraps one fresh m for `key`. Also returns the file key.
  static Result<std::pair<Header, Secret>> create(const PublicKey& key, const KeyId& key_id, Bytes policy,
                                                  Random& random);

  const Core& core() const { return core_; }
  const Digest& core_hash() const { return core_hash_; }
  // The stanzas of known types. There is at least one.
  const std::vector<Stanza>& stanzas() const { return stanzas_; }
  const std::vector<UnknownStanza>& unknown_stanzas() const { return unknown_stanzas_; }
  // The stanza for a key. Code::not_found if the file was not encrypted for that key.
  Result<const Stanza*> stanza_for(const KeyId& key_id) const;
  // The encoded core, as it is sent to agents.
  ByteView core_bytes() const { return ByteView(encoded_).first(core_size_); }
  // Core, stanzas and HMAC as they are in the file.
  ByteView encoded() const { return encoded_; }

  // Derives FK from m (SPEC.md §9.2) and checks the HMAC with it. Code::altered if any byte of the header was
  // changed or m belongs to another file.
  Result<Secret> unlock(const Element& m) const;

 private:
  Header() = default;
  Core core_{};
  Digest core_hash_{};
  std::size_t core_size_ = 0;
  std::vector<Stanza> stanzas_;
  std::vector<UnknownStanza> unknown_stanzas_;
  Bytes encoded_;
};

}  // namespace coprotect::protocol
