#pragma once

#include <functional>
#include <utility>

#include "protocol/message/log.h"

namespace coprotect::protocol {

// An agent's signed statement that it removed the beginning of its log, and where the rest continues (SPEC.md
// §7.3).
struct LogCut {
  PublicKeyBytes identity_key;
  std::uint64_t after;  // the last entry that an earlier cut removed, or 0
  std::uint64_t seq;    // the last entry that this one removed
  Digest chain;         // up to that entry
  std::uint64_t count;  // number of entries in the archive
  Digest archive;       // SHA-256 of the archive's file
  std::int64_t time_ms;
  Signature signature;

  // Signs all other fields. Replaces the identity key and the signature in `unsigned_cut`.
  static LogCut sign(LogCut unsigned_cut, const SigningKey& identity);
  Bytes encode() const;
  // Parses it and checks the signature under the key that it names.
  static Result<LogCut> parse(ByteView encoded);
};

// Follows the chain of a log from any position whose chain value is known.
class LogWalk {
 public:
  LogWalk() = default;  // from the beginning
  LogWalk(std::uint64_t seq, const Digest& chain) : seq_(seq), chain_(chain) {}

  // Returns the next line's entry, or nothing if the line contains only its hash. Code::altered if the line
  // is not the next one. Only an entry of kind store may skip numbers. A line with only a hash may be such an
  // entry.
  Result<std::optional<LogEntry>> take(const LogReply::Line& line);
  std::uint64_t seq() const { return seq_; }
  const Digest& chain() const { return chain_; }
  std::uint64_t lost() const { return lost_; }  // numbers that were skipped

 private:
  std::uint64_t seq_ = 0;
  Digest chain_{};
  std::uint64_t lost_ = 0;
  bool after_hash_ = false;
};

// Entries removed from an agent's log, as a file: header, lines, and the log's head at the last of them,
// signed by the agent. It can be verified alone, or as the part of a log before a cut.
struct LogArchive {
  PublicKeyBytes identity_key;
  std::uint64_t after;  // the last entry before it
  Digest before;        // the chain up to that entry
  std::uint64_t count;  // number of lines, at least 1

  Bytes header() const;
  static Bytes line(const LogReply::Line& line);

  // Reads a whole archive and verifies it: the lines follow each other from `before` to the head, which the
  // header's agent signed. Passes each line to `visit` before the end is verified.
  using Visit = std::function<Status(const LogReply::Line&, const std::optional<LogEntry>&)>;
  static Result<std::pair<LogArchive, LogHead>> read(ByteView encoded, const Visit& visit);
};

}  // namespace coprotect::protocol
