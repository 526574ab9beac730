#include "client/files/walk.h"

#include <algorithm>
#include <system_error>

namespace coprotect::client {
namespace {

namespace fs = std::filesystem;

Error failure(const char* what, const std::error_code& error) {
  const bool gone = error == std::errc::no_such_file_or_directory;
  return {gone ? Code::not_found : Code::unavailable, what + (": " + error.message())};
}

// Adds the contents of one folder, and queues its subfolders.
void read_folder(const fs::path& folder, Walk& walk, std::vector<fs::path>& folders) {
  std::error_code error;
  fs::directory_iterator it(folder, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code unknown;
    const fs::file_type type = fs::symlink_status(it->path(), unknown).type();
    if (type == fs::file_type::none || type == fs::file_type::not_found)
      walk.failed.emplace_back(it->path(), failure("cannot be looked at", unknown));
    else if (type == fs::file_type::directory)
      folders.push_back(it->path());
    else
      walk.entries.push_back({.path = it->path(), .type = type});
  }
  if (error) walk.failed.emplace_back(folder, failure("the folder cannot be read", error));
}

}  // namespace

Walk Walk::through(const fs::path& folder) {
  Walk walk;
  std::vector<fs::path> folders{folder};
  while (!folders.empty()) {
    const fs::path next = std::move(folders.back());
    folders.pop_back();
    read_folder(next, walk, folders);
  }
  std::ranges::sort(walk.entries, {}, &Entry::path);
  std::ranges::sort(walk.failed, {}, [](const auto& one) { return one.first; });
  return walk;
}

}  // namespace coprotect::client
