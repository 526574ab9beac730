#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "protocol/base/result.h"

namespace coprotect::client {

// What is in a folder and in all folders below it. Links are not followed.
struct Walk {
  struct Entry {
    std::filesystem::path path;
    std::filesystem::file_type type;
  };
  std::vector<Entry> entries;  // all but the folders themselves, sorted by path
  // Folders that cannot be read, and names that cannot be looked at, sorted by path: what is there is not
  // known. The walk goes on behind each. Code::not_found or Code::unavailable.
  std::vector<std::pair<std::filesystem::path, Error>> failed;

  static Walk through(const std::filesystem::path& folder);
};

}  // namespace coprotect::client
