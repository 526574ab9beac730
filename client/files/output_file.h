#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "client/files/folder.h"

namespace coprotect::client {

// A file that appears complete or not at all. It is written in the folder of its target without a name, or
// under a temporary one if the file system does not support that. commit() gives it its name. Until then any
// failure, even SIGKILL, leaves nothing behind.
class OutputFile {
 public:
  // Code::conflict if the target is a folder, or exists and `overwrite` is false. `mode` is the permissions
  // of the finished file. Until then only its owner can read it.
  static Result<OutputFile> create(const std::filesystem::path& target, bool overwrite, mode_t mode);
  // The same for a name in an open folder.
  static Result<OutputFile> create(const Folder& folder, const std::string& name, bool overwrite,
                                   mode_t mode);
  // Whether create() would accept the target. Finds errors early.
  static Status available(const std::filesystem::path& target, bool overwrite);
  static Status available(const Folder& folder, const std::string& name, bool overwrite);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  // Makes the content durable, then visible. Code::conflict if another program made the target meanwhile.
  Status commit();
  // The same, but only in place of this open file. Code::conflict if another file has its name meanwhile;
  // that file is kept.
  Status commit_in_place_of(int replaced);

 private:
  OutputFile(Fd fd, Folder folder, std::string name, std::string temporary, bool overwrite, mode_t mode);
  Status finish(int replaced);
  Status give_name(int replaced);
  Status give_temporary_name();
  Status replace(int replaced);
  std::filesystem::path target() const { return folder_.path_of(name_); }

  Fd fd_;
  Folder folder_;
  std::string name_;
  std::string temporary_;  // a name in the folder; empty while the file has none
  bool overwrite_;
  mode_t mode_;
};

}  // namespace coprotect::client
