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
  store = 7  // an event of the store itself; it has no tenant, and every tenant may read it
};
std::string_view entry_kind_name(EntryKind kind);

// Takes the place of the tenant in an entry of kind store.
constexpr std::string_view kNoTenant = "-";

// What an entry records: an Operation by its number, or one of these (SPEC.md §7.3).
enum class Recorded : std::uint8_t {
  nothing = 0,
  read_bundle = 16,
  read_client_list = 17,
  put_client_list = 18,
  read_key_list = 19,
  put_key_list = 20,
  ceremony = 21,
  refusals = 22,  // several, counted
  hold_erasure = 23,
  release_erasure = 24,
  cut_log = 25
};
// "partial-decrypt", "put-client-list"; "?" for an unknown number.
std::string_view recorded_name(std::uint8_t operation);

// One line of an agent's log (SPEC.md §7.3).
struct LogEntry {
  // What a request of operation 5 asked for. Fields that could not be read are zeros.
  struct Step {
    std::uint8_t step;
    Digest sid;      // of the plan that the payload names
    Digest payload;  // its SHA-256
    friend bool operator==(const Step&, const Step&) = default;
  };
  struct Item {
    Digest c1_hash;  // SHA-256 of the encoded c1, or of the encoded peer value of a derivation
    ItemStatus status;
  };
  std::uint64_t seq;
  std::int64_t time_ms;
  EntryKind kind;
  std::uint8_t operation = 0;  // an Operation, or a Recorded
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
  std::optional<Step> handover = std::nullopt;  // if and only if the operation is handover

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
  // Parses it and checks the signature under the key that it names.
  static Result<LogHead> parse(ByteView encoded);
};

// The plaintext of a log reply. It contains only the hash of another tenant's entry.
struct LogReply {
  struct Line {
    Bytes entry;  // encoded, or empty
    Digest hash;
  };
  Bytes head;       // encoded LogHead of the whole log
  Bytes cut{};      // encoded LogCut (log_cut.h) if the log begins after `from`; else empty
  Digest before{};  // the chain up to the first requested entry
  std::vector<Line> lines;

  Bytes encode() const;
  static Result<LogReply> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
