#pragma once

#include <filesystem>

#include "protocol/base/result.h"

namespace coprotect::agent::custodian {

// The file that coprotect-provision restore-backup leaves beside the store: it is a copy from
// earlier, and nobody has said yet how much is missing.
class RestoredMarker {
 public:
  explicit RestoredMarker(const std::filesystem::path& folder) : folder_(folder) {}

  bool present() const;
  // Durably; that there is none is fine.
  Status remove() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace coprotect::agent::custodian
