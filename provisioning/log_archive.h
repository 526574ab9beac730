#pragma once

#include <filesystem>
#include <vector>

#include "protocol/message/log_cut.h"

namespace coprotect::provisioning {

// An archive of the beginning of an agent's log, in a file (protocol/SPEC.md §7.3).
struct VerifiedArchive {
  protocol::LogArchive archive;
  protocol::LogHead head;  // as of its last entry
  Digest hash;             // SHA-256 of the file
};
// Reads it from the disk and verifies it alone; gives each line to `visit`. Code::altered if it does not
// hold, Code::not_found if there is none.
Result<VerifiedArchive> read_archive(const std::filesystem::path& file,
                                     const protocol::LogArchive::Visit& visit);

// A file that is being written, in pieces. It gets its name when all of it is on the disk, and never takes
// that of another file.
class ArchiveFile {
 public:
  // Code::conflict if there is a file of that name.
  static Result<ArchiveFile> create(const std::filesystem::path& file);
  ArchiveFile(ArchiveFile&&) noexcept;
  ArchiveFile& operator=(ArchiveFile&&) = delete;
  ~ArchiveFile();  // removes it unless it has its name

  Status write(ByteView piece);
  Status keep();

 private:
  ArchiveFile(std::filesystem::path file, std::filesystem::path temporary, int fd);
  Status flush();

  std::filesystem::path file_;
  std::filesystem::path temporary_;  // empty once it has its name
  int fd_;
  Bytes waiting_;
};

}  // namespace coprotect::provisioning
