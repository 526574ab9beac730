#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "hsm/mac_files.h"
#include "protocol/file/header.h"

namespace coprotect::hsm {

// An operator's statement about the erasure of a destroyed key's shares at this agent: it is held, or it may
// proceed. Of two statements about a key, the one with the greater number is newer.
struct ErasureHold {
  protocol::KeyId key_id;
  std::uint64_t number;
  bool held;

  Bytes encode() const;
  // Code::malformed for any other encoding.
  static Result<ErasureHold> parse(ByteView encoded);
  friend bool operator==(const ErasureHold&, const ErasureHold&) = default;
};

// The folder `holds` in the agent's own folder: one file for each key, named by the key_id in hex. The
// operator's tool writes the files; the agent only reads and obeys them (agent/custodian/held_erasures.h).
// Each carries a MAC of the keyring (mac_files.h). The content of an unverified file does not count, but its
// presence does: the operator may be holding the erasure.
class ErasureHolds {
 public:
  // `keyring` outlives it.
  ErasureHolds(const std::filesystem::path& agent_folder, const Keyring& keyring)
      : folder_(agent_folder / kFolder), files_(keyring) {}

  static constexpr const char* kFolder = "holds";

  // Writes the next statement. Its number is the time, or one more than that of the current statement if that
  // is greater. Replaces a statement that cannot be verified.
  Result<ErasureHold> put(const protocol::KeyId& key_id, bool held, std::int64_t now_ms) const;
  // Nothing if there is none. Code::altered for a file whose MAC does not verify or that is for another key,
  // Code::unavailable for one that cannot be read.
  Result<std::optional<ErasureHold>> of(const protocol::KeyId& key_id) const;
  // For each key that has a file: the statement, or why it cannot be verified.
  struct Entry {
    protocol::KeyId key_id;
    Result<ErasureHold> said;
  };
  // Code::unavailable if the folder cannot be read. Ignores files whose name is not a key_id.
  Result<std::vector<Entry>> all() const;

 private:
  std::filesystem::path folder_;
  MacFiles files_;
};

}  // namespace coprotect::hsm
