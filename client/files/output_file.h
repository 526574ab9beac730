#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "client/files/fd.h"

namespace coprotect::client {

// A file that appears complete or not at all: written without a name (or, where the file system cannot do
// that, under a temporary one) in the folder of its target, and given its name by commit(). Whatever happens
// before, even SIGKILL, leaves nothing behind.
class OutputFile {
 public:
  // Code::conflict if the target exists and `overwrite` is false, or is a folder. `mode` are the permissions
  // of the finished file; until then it is readable by its owner alone.
  static Result<OutputFile> create(std::filesystem::path target, bool overwrite, mode_t mode);
  // Whether create() would accept the target: to find out early.
  static Status available(const std::filesystem::path& target, bool overwrite);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  // Makes the content durable, then visible. Code::conflict if meanwhile somebody else made the target.
  Status commit();

 private:
  OutputFile(Fd fd, std::filesystem::path target, std::filesystem::path temporary, bool overwrite,
             mode_t mode);
  Status give_name();

  Fd fd_;
  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty while the file has no name
  bool overwrite_;
  mode_t mode_;
};

}  // namespace coprotect::client
