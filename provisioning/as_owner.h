#pragma once

#include <filesystem>
#include <optional>

#include "hsm/durable_file.h"

namespace coprotect::provisioning {

// While it lives, this thread uses files as the user who owns an agent's folder, if root runs the command.
// That user can put a link in the place of any folder in it at any moment, and root would follow it. The
// folder itself is named by root, in a place of root's own.
class AsOwner {
 public:
  explicit AsOwner(const std::filesystem::path& folder);
  AsOwner(const AsOwner&) = delete;
  AsOwner& operator=(const AsOwner&) = delete;
  ~AsOwner();

 private:
  std::optional<hsm::FileOwner> owner_;
};

}  // namespace coprotect::provisioning
