#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "client/files/fd.h"

namespace coprotect::client {

// An open folder. A file that is made or opened in it by name is in this folder, even if the folder's path
// changes meanwhile. Cheap to copy.
class Folder {
 public:
  // A folder that the user named. Symbolic links in its path are the user's choice, and are followed.
  static Result<Folder> open(const std::filesystem::path& path);
  // The folder of a file that the user named.
  static Result<Folder> of(const std::filesystem::path& file);

  // A folder in this one, at any depth, by its relative path. Code::conflict if any part of the path is a
  // symbolic link, because anyone who can write into a tree could lead out of it with one. With `make`
  // missing folders are created; without it Code::not_found.
  Result<Folder> below(const std::filesystem::path& relative, bool make) const;

  int fd() const { return fd_->get(); }
  // The path as it was named, and a file in it, for messages.
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

// A folder that a command named, with everything below it. It is opened once, when first needed, so that the
// command keeps working on the same tree.
class Tree {
 public:
  explicit Tree(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  // The folder of a file in the tree, by the file's path relative to the root. Errors as for Folder::below().
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

// The error for a symbolic link that is not followed.
Error is_a_link(const std::filesystem::path& link);

}  // namespace coprotect::client
