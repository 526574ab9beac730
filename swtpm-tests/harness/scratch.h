#pragma once

#include <filesystem>
#include <string_view>

namespace coprotect::harness {

// A test's own folder (0700). The destructor removes it. Its path is short enough for Unix sockets in it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace coprotect::harness
