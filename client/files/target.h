#pragma once

#include <optional>
#include <variant>

#include "client/files/output_file.h"

namespace coprotect::client {

// The destination of output: a file that appears when it is complete, or standard output, a pipe or a device,
// which receive the output immediately.
class Target {
 public:
  // No name means standard output. Errors as for OutputFile::create().
  static Result<Target> open(const std::optional<std::filesystem::path>& file, bool overwrite, mode_t mode);

  // A file in a tree. Its folder is created if it is missing. An existing entry at its place is replaced or
  // kept, but never written into, because the user did not name it.
  static Result<Target> open(const PlaceInTree& file, bool overwrite, mode_t mode);

  // Whether open() would accept the place. Finds errors early.
  static Status available(const std::optional<std::filesystem::path>& file, bool overwrite);
  static Status available(const PlaceInTree& file, bool overwrite);

  // Whether threads may write at any offset.
  bool regular() const { return std::holds_alternative<OutputFile>(where_); }
  bool terminal() const;
  int fd() const;
  // Makes a file visible. Output to a stream has already been written.
  Status finish();

 private:
  explicit Target(std::variant<OutputFile, Fd> where) : where_(std::move(where)) {}
  std::variant<OutputFile, Fd> where_;
};

}  // namespace coprotect::client
