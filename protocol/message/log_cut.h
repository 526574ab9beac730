#pragma once

#include <functional>
#include <utility>

#include "protocol/message/log.h"

namespace coprotect::protocol {

// An agent's signed word that it removed the beginning of its log, and where the rest goes on (SPEC.md §7.3).
struct LogCut {
  PublicKeyBytes identity_key;
  std::uint64_t after;  // the last entry that an earlier cut removed, or 0
  std::uint64_t seq;    // the last entry that this one removed
  Digest chain;         // up to that entry
  std::uint64_t count;  // how many entries are in the archive
  Digest archive;       // SHA-256 of the archive's file
  std::int64_t time_ms;
  Signature signature;

  // What is signed; the identity key and the signature in `unsigned_cut` are replaced.
  static LogCut sign(LogCut unsigned_cut, const SigningKey& identity);
  Bytes encode() const;
  // Parses and checks the signature under the key that it names.
  static Result<LogCut> parse(ByteView encoded);
};

// Goes along the chain of a log, from any place whose chain value is known.
class LogWalk {
 public:
  LogWalk() = default;  // from the beginning
  LogWalk(std::uint64_t seq, const Digest& chain) : seq_(seq), chain_(chain) {}

  // The next line's entry; nothing if only its hash is given. Code::altered if the line is not the next one:
  // only an entry of kind store may leave numbers out. One of which only the hash is given may be of it.
  Result<std::optional<LogEntry>> take(const LogReply::Line& line);
  std::uint64_t seq() const { return seq_; }
  const Digest& chain() const { return chain_; }
  std::uint64_t lost() const { return lost_; }  // numbers that were left out

 private:
  std::uint64_t seq_ = 0;
  Digest chain_{};
  std::uint64_t lost_ = 0;
  bool after_hash_ = false;
};

// Entries that were taken out of an agent's log, in a file: header, lines, and the head of the log as it was
// at the last of them, which the agent signed. It is verified alone, or as the part of a log before a cut.
struct LogArchive {
  PublicKeyBytes identity_key;
  std::uint64_t after;  // the last entry before it
  Digest before;        // the chain up to that entry
  std::uint64_t count;  // of lines, at least 1

  Bytes header() const;
  static Bytes line(const LogReply::Line& line);

  // Reads all of an archive and verifies it: the lines follow each other from `before` to the head, which the
  // agent of the header signed. Gives each line to `visit`, before it is known whether the end holds.
  using Visit = std::function<Status(const LogReply::Line&, const std::optional<LogEntry>&)>;
  static Result<std::pair<LogArchive, LogHead>> read(ByteView encoded, const Visit& visit);
};

}  // namespace coprotect::protocol
