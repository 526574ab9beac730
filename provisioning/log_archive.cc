#include "provisioning/log_archive.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"
#include "provisioning/durable.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = std::size_t{1} << 20;

Error archive_failure(std::string_view what, const fs::path& file) {
  const int cause = errno;
  const Code code = cause == ENOENT ? Code::not_found : cause == EEXIST ? Code::conflict : Code::unavailable;
  return {code, std::string(what) + " \"" + file.string() + "\": " + std::strerror(cause)};
}

// A file's content, without a copy in memory.
class Mapped {
 public:
  static Result<Mapped> open(const fs::path& file) {
    const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat about {};
    if (!fd || fstat(fd.get(), &about) != 0) return archive_failure("cannot read", file);
    if (!S_ISREG(about.st_mode) || about.st_size == 0)
      return Error(Code::altered, "\"" + file.string() + "\" is no archive of a log");
    // Drops the page cache, so that this reads what is on the disk.
    static_cast<void>(posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED));
    const auto size = static_cast<std::size_t>(about.st_size);
    void* const at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at == MAP_FAILED) return archive_failure("cannot read", file);
    return Mapped(static_cast<const std::uint8_t*>(at), size);
  }
  Mapped(Mapped&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(other.size_) {}
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped() {
    if (at_ != nullptr) munmap(const_cast<std::uint8_t*>(at_), size_);
  }
  ByteView view() const { return {at_, size_}; }

 private:
  Mapped(const std::uint8_t* at, std::size_t size) : at_(at), size_(size) {}
  const std::uint8_t* at_;
  std::size_t size_;
};

}  // namespace

Result<VerifiedArchive> read_archive(const fs::path& file, const protocol::LogArchive::Visit& visit) {
  const auto content = Mapped::open(file);
  if (!content) return content.error();
  auto read = protocol::LogArchive::read(content->view(), visit);
  if (!read) return std::move(read).error().in("archive \"" + file.string() + "\"");
  return VerifiedArchive{.archive = std::move(read->first),
                         .head = std::move(read->second),
                         .hash = protocol::sha256(content->view())};
}

ArchiveFile::ArchiveFile(fs::path file, fs::path temporary, int fd)
    : file_(std::move(file)), temporary_(std::move(temporary)), fd_(fd) {}

ArchiveFile::ArchiveFile(ArchiveFile&& other) noexcept
    : file_(std::move(other.file_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      waiting_(std::move(other.waiting_)) {}

ArchiveFile::~ArchiveFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
  if (fd_ >= 0) close(fd_);
}

Result<ArchiveFile> ArchiveFile::create(const fs::path& file) {
  struct stat about {};
  if (lstat(file.c_str(), &about) == 0)
    return Error(Code::conflict, "\"" + file.string() + "\" exists already: each archive is a new file");
  std::string temporary = file.string() + ".tmp-XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);  // 0600
  if (fd < 0) return archive_failure("cannot write", file);
  return ArchiveFile(file, temporary, fd);
}

Status ArchiveFile::flush() {
  if (!client::write_all(fd_, waiting_)) return archive_failure("cannot write", file_);
  waiting_.clear();
  return Done{};
}

Status ArchiveFile::write(ByteView piece) {
  waiting_.insert(waiting_.end(), piece.begin(), piece.end());
  return waiting_.size() < kPiece ? Status(Done{}) : flush();
}

Status ArchiveFile::keep() {
  if (auto written = flush(); !written) return written;
  fault_point("before an archive is on the disk");
  if (fsync(fd_) != 0) return archive_failure("cannot write", file_);
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, file_.c_str(), RENAME_NOREPLACE) != 0)
    return archive_failure("cannot make", file_);
  temporary_.clear();
  fault_point("after an archive has its name");
  return sync_directory(file_.has_parent_path() ? file_.parent_path() : fs::path("."));
}

}  // namespace coprotect::provisioning
