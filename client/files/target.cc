#include "client/files/target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coprotect::client {

namespace {

// A device or a pipe is written to, not replaced.
bool is_special(const std::filesystem::path& file) {
  struct stat present {};
  return stat(file.c_str(), &present) == 0 && !S_ISREG(present.st_mode) && !S_ISDIR(present.st_mode);
}

}  // namespace

Status Target::available(const std::optional<std::filesystem::path>& file, bool overwrite) {
  if (!file || is_special(*file)) return Done{};
  return OutputFile::available(*file, overwrite);
}

Result<Target> Target::open(const std::optional<std::filesystem::path>& file, bool overwrite, mode_t mode) {
  if (!file) {
    Fd fd(fcntl(1, F_DUPFD_CLOEXEC, 3));
    if (!fd) return os_error("standard output cannot be written");
    return Target(std::move(fd));
  }
  if (is_special(*file)) {
    Fd fd(::open(file->c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) return os_error("\"" + file->string() + "\" cannot be written");
    return Target(std::move(fd));
  }
  auto output = OutputFile::create(*file, overwrite, mode);
  if (!output) return std::move(output).error();
  return Target(*std::move(output));
}

Status Target::available(const PlaceInTree& file, bool overwrite) {
  const auto folder = file.folder(false);
  if (!folder && folder.error().code() == Code::not_found) return Done{};  // it will be created
  if (!folder) return folder.error();
  return OutputFile::available(*folder, file.name(), overwrite);
}

Result<Target> Target::open(const PlaceInTree& file, bool overwrite, mode_t mode) {
  const auto folder = file.folder(true);
  if (!folder) return folder.error();
  auto output = OutputFile::create(*folder, file.name(), overwrite, mode);
  if (!output) return std::move(output).error();
  return Target(*std::move(output));
}

bool Target::terminal() const {
  return !regular() && isatty(fd()) == 1;
}

int Target::fd() const {
  if (const auto* output = std::get_if<OutputFile>(&where_)) return output->fd();
  return std::get<Fd>(where_).get();
}

Status Target::finish() {
  if (auto* output = std::get_if<OutputFile>(&where_)) return output->commit();
  return Done{};
}

}  // namespace coprotect::client
