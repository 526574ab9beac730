#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {

// Whether the agent's newest backup opens what the agent has now. `coprotect-provision backup` leaves the
// hash of the table of sealing keys that it copied. With the next share, and with the next erasure, which
// makes every older copy useless, the table is another one. It is the operator's own word, for the operator.
class NewestBackup {
 public:
  // `state` is the folder of hsm/agent_folder.h.
  explicit NewestBackup(const std::filesystem::path& state);

  // "ok", "none", or why the newest one does not do.
  std::string state();

 private:
  // A file as it was last read.
  struct Seen {
    std::filesystem::path path;
    struct stat as {};
    std::optional<Digest> hash;  // none: it is not there, or cannot be read
    void look();
  };
  std::mutex mutex_;
  Seen table_;
  std::filesystem::path note_;
};

}  // namespace coprotect::agent::custodian
