#pragma once

#include <string>
#include <vector>

#include "protocol/message/reply.h"

namespace coprotect::protocol {

enum class EntryKind : std::uint8_t {
  intent = 1,
  result = 2,
  refusal = 3,
  ceremony = 4,
  client_list = 5,
  key_list = 6,
  store = 7  // what happened to the store itself; of no tenant, and told to all
};
std::string_view entry_kind_name(EntryKind kind);

// In the place of the tenant of an entry of kind store.
constexpr std::string_view kNoTenant = "-";

// One line of an agent's log (SPEC.md §7.3).
struct LogEntry {
  struct Item {
    Digest c1_hash;  // SHA-256 of the encoded c1, or of the encoded value that was derived with
    ItemStatus status;
  };
  std::uint64_t seq;
  std::int64_t time_ms;
  EntryKind kind;
  std::string tenant;
  KeyId key_id;
  std::string client;
  ByteArray<8> request_id;
  Digest request_hash;
  std::uint8_t action;  // an Action, or 0
  std::string reason;
  std::string outcome;
  std::string detail;
  std::vector<Item> items;

  Bytes encode() const;
  static Result<LogEntry> parse(ByteView encoded);
};
// chain_n from chain_{n−1}.
Digest chain_next(const Digest& previous, const Digest& entry_hash);

struct LogHead {
  PublicKeyBytes identity_key;
  std::uint64_t seq;
  std::int64_t time_ms;
  Digest chain;
  Signature signature;

  static LogHead sign(std::uint64_t seq, std::int64_t time_ms, const Digest& chain,
                      const SigningKey& identity);
  Bytes encode() const;
  // Parses and checks the signature under the key that it names.
  static Result<LogHead> parse(ByteView encoded);
};

// The plaintext of a log reply. An entry of another tenant is given as its hash only.
struct LogReply {
  struct Line {
    Bytes entry;  // encoded, or empty
    Digest hash;
  };
  Bytes head;  // encoded LogHead of the whole log
  std::vector<Line> lines;

  Bytes encode() const;
  static Result<LogReply> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
