#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "client/files/folder.h"

namespace coprotect::client {

// An input: a regular file, whose size is known and which several threads may read, or a stream.
class Input {
 public:
  // No name means standard input, which is always treated as a stream.
  static Result<Input> open(const std::optional<std::filesystem::path>& file);
  // A regular file in a tree, as it was when the tree was listed. Code::conflict if it is now another kind of
  // file or a symbolic link, or if a folder on the way to it is a link.
  static Result<Input> open(const PlaceInTree& file);

  bool regular() const { return regular_; }
  int fd() const { return fd_.get(); }
  std::uint64_t size() const { return static_cast<std::uint64_t>(status_.st_size); }  // of a regular file
  mode_t permissions() const { return status_.st_mode & 0777; }

  // Fills `out` with the next bytes. Returns fewer only at the end.
  Result<std::size_t> read(std::span<std::uint8_t> out);
  // Puts back the bytes that were read last. They are read again.
  void unread(ByteView bytes);
  // How far read() has come: the offset of the next byte.
  std::uint64_t position() const { return position_; }

  // Code::conflict if a regular file was changed since it was opened.
  Status unchanged() const;

 private:
  Fd fd_;
  struct stat status_ {};
  bool regular_ = false;
  std::uint64_t position_ = 0;
  Bytes ahead_;  // of a stream: already read from it
};

}  // namespace coprotect::client
