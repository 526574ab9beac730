#pragma once

#include <filesystem>
#include <optional>

#include "hsm/mac_files.h"

namespace coprotect::hsm {

// Log entries that the operator found in a backup, to replace damaged ones in the agent's store. They are in
// the folder `log-repairs` in the agent's own folder, one file each, named by the entry's number
// (mac_files.h). The agent reads them at start, and accepts an entry if it is the one that the log's chain
// requires.
class LogRepairFiles {
 public:
  // `keyring` outlives it.
  LogRepairFiles(const std::filesystem::path& agent_folder, const Keyring& keyring)
      : folder_(agent_folder / "log-repairs"), files_(keyring) {}

  Status put(std::uint64_t seq, Bytes entry) const {
    return files_.write(folder_ / std::to_string(seq), std::move(entry));
  }
  // Nothing if there is none, or its MAC does not verify.
  std::optional<Bytes> of(std::uint64_t seq) const {
    auto entry = files_.read(folder_ / std::to_string(seq));
    return entry ? std::optional(*std::move(entry)) : std::nullopt;
  }

 private:
  std::filesystem::path folder_;
  MacFiles files_;
};

}  // namespace coprotect::hsm
