#pragma once

#include <filesystem>
#include <optional>

#include "hsm/mac_files.h"
#include "protocol/crypto/hash.h"

namespace coprotect::hsm {

// The operator's request to an agent, once the beginning of its log is archived: remove those entries and
// sign that it did (protocol/SPEC.md §7.3).
struct LogCutRequest {
  std::uint64_t after;  // the last entry before the archive
  std::uint64_t seq;    // the last entry in it
  Digest chain;         // up to that entry
  std::uint64_t count;  // number of its entries
  Digest archive;       // SHA-256 of its file
  // Proceed even if another agent of this agent's keys is not known to remember this log up to that entry.
  bool unheard;

  Bytes encode() const;
  // Code::malformed for any other encoding.
  static Result<LogCutRequest> parse(ByteView encoded);
  friend bool operator==(const LogCutRequest&, const LogCutRequest&) = default;
};

// The file `log-cuts/newest` in an agent's folder, with a MAC of the keyring (mac_files.h). Only someone who
// can open the keyring can make the agent remove entries. The operator's tool writes it; the agent reads it
// and leaves it in place.
class LogCutRequests {
 public:
  // `keyring` outlives it.
  LogCutRequests(const std::filesystem::path& agent_folder, const Keyring& keyring)
      : file_(agent_folder / "log-cuts" / "newest"), files_(keyring) {}

  Status put(const LogCutRequest& request) const;
  // Nothing if there is none. Code::altered for a file whose MAC does not verify, Code::unavailable for one
  // that cannot be read.
  Result<std::optional<LogCutRequest>> newest() const;

 private:
  std::filesystem::path file_;
  MacFiles files_;
};

}  // namespace coprotect::hsm
