#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {

// Whether the agent's newest backup can open the agent's current data. `coprotect-provision backup` leaves
// the hash of the table of sealing keys that it copied. The table changes with each new share, and with each
// erasure, which makes every older copy useless. The operator supplies the hash, for the operator's own
// information.
class NewestBackup {
 public:
  // `state` is the folder of hsm/agent_folder.h.
  explicit NewestBackup(const std::filesystem::path& state);

  // "ok", "none", or why the newest backup is not sufficient.
  std::string state();

 private:
  // A file as last read.
  struct Seen {
    std::filesystem::path path;
    struct stat as {};
    std::optional<Digest> hash;  // none: missing or unreadable
    void look();
  };
  std::mutex mutex_;
  Seen table_;
  std::filesystem::path note_;
};

}  // namespace coprotect::agent::custodian
