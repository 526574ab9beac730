#pragma once

#include <filesystem>

#include "protocol/base/result.h"

namespace coprotect::agent::custodian {

// The file that coprotect-provision restore-backup leaves beside the store. It means that the store is an
// older copy, and that it is not yet known how much is missing.
class RestoredMarker {
 public:
  explicit RestoredMarker(const std::filesystem::path& folder) : folder_(folder) {}

  bool present() const;
  // Removes it durably; succeeds if there is none.
  Status remove() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace coprotect::agent::custodian
