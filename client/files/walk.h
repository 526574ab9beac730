#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "protocol/base/result.h"

namespace coprotect::client {

// The contents of a folder and of all folders below it. Links are not followed.
struct Walk {
  struct Entry {
    std::filesystem::path path;
    std::filesystem::file_type type;
  };
  std::vector<Entry> entries;  // everything but the folders themselves, sorted by path
  // Unreadable folders, and names whose type cannot be read, sorted by path. Their contents are unknown. The
  // walk continues after each. Code::not_found or Code::unavailable.
  std::vector<std::pair<std::filesystem::path, Error>> failed;

  static Walk through(const std::filesystem::path& folder);
};

}  // namespace coprotect::client
