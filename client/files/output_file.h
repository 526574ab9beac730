#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "client/files/folder.h"

namespace coprotect::client {

// A file that appears complete or not at all: written without a name (or, where the file system cannot do
// that, under a temporary one) in the folder of its target, and given its name by commit(). Whatever happens
// before, even SIGKILL, leaves nothing behind.
class OutputFile {
 public:
  // Code::conflict if the target exists and `overwrite` is false, or is a folder. `mode` are the permissions
  // of the finished file; until then it is readable by its owner alone.
  static Result<OutputFile> create(const std::filesystem::path& target, bool overwrite, mode_t mode);
  // The same for a name in an open folder.
  static Result<OutputFile> create(const Folder& folder, const std::string& name, bool overwrite,
                                   mode_t mode);
  // Whether create() would accept the target: to find out early.
  static Status available(const std::filesystem::path& target, bool overwrite);
  static Status available(const Folder& folder, const std::string& name, bool overwrite);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  // Makes the content durable, then visible. Code::conflict if meanwhile somebody else made the target.
  Status commit();
  // The same in the place of this open file alone. Code::conflict if its name is another's meanwhile, which
  // then keeps it.
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
