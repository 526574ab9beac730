#include "agent/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "protocol/base/fd.h"

namespace coprotect::agent {
namespace {

constexpr std::size_t kMaxSize = std::size_t{1} << 20;

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& file) {
  const auto cannot_read = [&](std::string_view why) {
    return Error(Code::not_found, "cannot read \"" + file.string() + "\"" + std::string(why));
  };
  // Others may have put anything there, for root to read: nobody waits for the writer of a FIFO.
  const Fd fd(open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat about {};
  if (!fd || fstat(fd.get(), &about) != 0) return cannot_read("");
  if (!S_ISREG(about.st_mode)) return cannot_read(": it is not a regular file");
  std::string content;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t size = read(fd.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return cannot_read("");
    if (size == 0) return content;
    content.append(piece.data(), static_cast<std::size_t>(size));
    if (content.size() > kMaxSize) return cannot_read(": it has more than 1 MiB");
  }
}

}  // namespace coprotect::agent
