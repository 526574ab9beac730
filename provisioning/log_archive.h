#pragma once

#include <filesystem>
#include <vector>

#include "protocol/message/log_cut.h"

namespace coprotect::provisioning {

// An archive of the beginning of an agent's log, in a file (protocol/SPEC.md §7.3).
struct VerifiedArchive {
  protocol::LogArchive archive;
  protocol::LogHead head;  // the log's head at its last entry
  Digest hash;             // SHA-256 of the file
};
// Reads it from disk, verifies it alone and passes each line to `visit`. Code::altered if it is invalid,
// Code::not_found if it does not exist.
Result<VerifiedArchive> read_archive(const std::filesystem::path& file,
                                     const protocol::LogArchive::Visit& visit);

// A file that is written in pieces. It gets its name once all of it is on the disk, and never replaces
// another file.
class ArchiveFile {
 public:
  // Code::conflict if a file of that name exists.
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
