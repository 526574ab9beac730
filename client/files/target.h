#pragma once

#include <optional>
#include <variant>

#include "client/files/output_file.h"

namespace coprotect::client {

// Where output goes: into a file that appears when it is complete, or at once to standard output, a pipe or a
// device.
class Target {
 public:
  // No name means standard output. Errors as OutputFile::create().
  static Result<Target> open(const std::optional<std::filesystem::path>& file, bool overwrite, mode_t mode);

  // A file in a tree, whose folder is made if there is none. Whatever stands at its place is replaced or
  // kept, never written into: in a tree nobody named it.
  static Result<Target> open(const PlaceInTree& file, bool overwrite, mode_t mode);

  // Whether open() would accept the place: to find out early.
  static Status available(const std::optional<std::filesystem::path>& file, bool overwrite);
  static Status available(const PlaceInTree& file, bool overwrite);

  // Whether threads may write at any place of it.
  bool regular() const { return std::holds_alternative<OutputFile>(where_); }
  bool terminal() const;
  int fd() const;
  // Makes a file visible. What went into a stream is gone already.
  Status finish();

 private:
  explicit Target(std::variant<OutputFile, Fd> where) : where_(std::move(where)) {}
  std::variant<OutputFile, Fd> where_;
};

}  // namespace coprotect::client
