#include "hsm/durable_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "protocol/base/fault.h"
#include "protocol/base/fd.h"

namespace coprotect::hsm {
namespace {

Error failure(std::string_view what, const std::filesystem::path& file) {
  const int error = errno;
  const Code code = error == ENOENT ? Code::not_found : error == EEXIST ? Code::conflict : Code::unavailable;
  return {code, std::string(what) + " \"" + file.string() +
                    "\": " + std::error_code(error, std::generic_category()).message()};
}

bool write_all(int fd, ByteView content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

// Makes the names in a folder durable.
bool sync_folder(const std::filesystem::path& folder) {
  const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd && fsync(fd.get()) == 0;
}

}  // namespace

Status write_new_file(const std::filesystem::path& file, ByteView content) {
  std::filesystem::path folder = file.parent_path();
  if (folder.empty()) folder = ".";
  std::string temporary = (folder / ("." + file.filename().string() + ".XXXXXX")).string();
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failure("cannot make a file for", file);
  fault_point("write_new_file: before the write");
  // A link never replaces what stands at its new name, as a rename would.
  const bool written =
      write_all(fd.get(), content) && fsync(fd.get()) == 0 && link(temporary.c_str(), file.c_str()) == 0;
  auto result = written ? Status(Done{}) : Status(failure("cannot write", file));
  fault_point("write_new_file: after the link");
  unlink(temporary.c_str());
  if (written && !sync_folder(folder)) return failure("cannot make durable", file);
  return result;
}

Result<Bytes> read_file(const std::filesystem::path& file, std::size_t limit) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failure("cannot read", file);
  Bytes content(limit + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t n = read(fd.get(), content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("cannot read", file);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > limit) return Error(Code::altered, "\"" + file.string() + "\" is too long");
  content.resize(size);
  return content;
}

}  // namespace coprotect::hsm
