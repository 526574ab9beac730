#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "hsm/mac_files.h"
#include "protocol/file/header.h"

namespace coprotect::hsm {

// What an agent's operator says of the erasure of a destroyed key's shares at this agent: it is held, or it
// may go on. Of two statements about a key the one with the greater number is the newer.
struct ErasureHold {
  protocol::KeyId key_id;
  std::uint64_t number;
  bool held;

  Bytes encode() const;
  // Code::malformed for another form.
  static Result<ErasureHold> parse(ByteView encoded);
  friend bool operator==(const ErasureHold&, const ErasureHold&) = default;
};

// The folder `holds` in an agent's own, which the agent reads and does not write: a file for each key, named
// by the key_id in hex. The operator's tool writes them, the agent reads them and obeys
// (agent/custodian/held_erasures.h). Each carries a MAC of the keyring (mac_files.h). What an unverified file
// says counts for nothing, but that it is there counts: nobody knows whether the operator holds the erasure.
class ErasureHolds {
 public:
  // `keyring` outlives it.
  ErasureHolds(const std::filesystem::path& agent_folder, const Keyring& keyring)
      : folder_(agent_folder / kFolder), files_(keyring) {}

  static constexpr const char* kFolder = "holds";

  // Writes the next statement: its number is the time, or one more than that of the present one if that is
  // greater. One that cannot be verified is replaced.
  Result<ErasureHold> put(const protocol::KeyId& key_id, bool held, std::int64_t now_ms) const;
  // Nothing if there is none. Code::altered for a file that does not hold or is of another key,
  // Code::unavailable for one that cannot be read.
  Result<std::optional<ErasureHold>> of(const protocol::KeyId& key_id) const;
  // Of each key that has a file: the statement, or why it cannot be verified.
  struct Entry {
    protocol::KeyId key_id;
    Result<ErasureHold> said;
  };
  // Code::unavailable if the folder cannot be read. A file that is named by no key_id is of no key.
  Result<std::vector<Entry>> all() const;

 private:
  std::filesystem::path folder_;
  MacFiles files_;
};

}  // namespace coprotect::hsm
