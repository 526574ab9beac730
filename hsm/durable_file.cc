#include "hsm/durable_file.h"

#include <fcntl.h>
#include <stdio.h>
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

std::filesystem::path folder_of(const std::filesystem::path& file) {
  std::filesystem::path folder = file.parent_path();
  return folder.empty() ? "." : folder;
}

// Writes a file of a temporary name, durably, and has `place` give it its own.
template <typename Place>
Status write_and_place(const std::filesystem::path& file, ByteView content, Place place) {
  const std::filesystem::path folder = folder_of(file);
  std::string temporary = (folder / ("." + file.filename().string() + ".XXXXXX")).string();
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failure("cannot make a file for", file);
  if (!write_all(fd.get(), content) || fsync(fd.get()) != 0) {
    auto failed = failure("cannot write", file);
    unlink(temporary.c_str());
    return failed;
  }
  auto placed = place(temporary);
  if (placed && !sync_folder(folder)) return failure("cannot make durable", file);
  return placed;
}

}  // namespace

Status write_new_file(const std::filesystem::path& file, ByteView content) {
  // A link never replaces what stands at its new name, as a rename would.
  const auto place = [&](const std::string& temporary) {
    fault_point("write_new_file: before the link");
    const bool linked = link(temporary.c_str(), file.c_str()) == 0;
    auto result = linked ? Status(Done{}) : Status(failure("cannot write", file));
    fault_point("write_new_file: after the link");
    unlink(temporary.c_str());
    return result;
  };
  return write_and_place(file, content, place);
}

Status replace_file(const std::filesystem::path& file, ByteView content) {
  const auto place = [&](const std::string& temporary) {
    fault_point("replace_file: before the rename");
    if (rename(temporary.c_str(), file.c_str()) == 0) return Status(Done{});
    auto result = Status(failure("cannot replace", file));
    unlink(temporary.c_str());
    return result;
  };
  return write_and_place(file, content, place);
}

Status remove_file(const std::filesystem::path& file) {
  if (unlink(file.c_str()) != 0) {
    if (errno == ENOENT) return Done{};
    return failure("cannot remove", file);
  }
  if (!sync_folder(folder_of(file))) return failure("cannot make durable", file);
  return Done{};
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
