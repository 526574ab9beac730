#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "client/files/fd.h"

namespace coprotect::client {

// An open folder. A file that is made or opened by its name in it is there, whatever becomes of the folder's
// path meanwhile. Cheap to copy.
class Folder {
 public:
  // A folder that somebody named: symbolic links on the way are that person's, and are followed.
  static Result<Folder> open(const std::filesystem::path& path);
  // The folder of a file that somebody named.
  static Result<Folder> of(const std::filesystem::path& file);

  // A folder in this one, or anywhere below, by its relative path, of which no part may be a symbolic link:
  // whoever can write into a tree could lead out of it by one (Code::conflict). With `make` it is made where
  // there is none; without that Code::not_found.
  Result<Folder> below(const std::filesystem::path& relative, bool make) const;

  int fd() const { return fd_->get(); }
  // As it was named, and a file in it, for messages.
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path path_of(const std::string& name) const {
    return path_ == "." ? std::filesystem::path(name) : path_ / name;
  }

 private:
  Folder(Fd fd, std::filesystem::path path)
      : fd_(std::make_shared<const Fd>(std::move(fd))), path_(std::move(path)) {}
  Result<Folder> next(const std::filesystem::path& name, bool make) const;

  std::shared_ptr<const Fd> fd_;
  std::filesystem::path path_;
};

// A folder that a command named, with all that is below it. It is opened once, when it is first needed, so
// that the command works on one and the same tree.
class Tree {
 public:
  explicit Tree(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  // The folder of a file of the tree, by the file's path relative to the root. As Folder::below().
  Result<Folder> folder_of(const std::filesystem::path& relative, bool make);

 private:
  std::filesystem::path root_;
  std::optional<Folder> opened_;
};

// A file by its place in a tree. `relative` ends in its name.
struct PlaceInTree {
  std::shared_ptr<Tree> tree;
  std::filesystem::path relative;

  explicit operator bool() const { return tree != nullptr; }
  Result<Folder> folder(bool make) const { return tree->folder_of(relative, make); }
  std::string name() const { return relative.filename().string(); }
};

// Why a symbolic link is not used.
Error is_a_link(const std::filesystem::path& link);

}  // namespace coprotect::client
