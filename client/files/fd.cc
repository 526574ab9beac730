#include "client/files/fd.h"

#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>

namespace coprotect::client {
namespace {

// Repeats `transfer(done)`, which moves some bytes and returns their number, until all are moved or none is
// left.
template <typename Transfer>
Result<std::size_t> repeat(std::size_t size, std::string_view what, Transfer transfer) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = transfer(done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error(what);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Status all_of(const Result<std::size_t>& done, std::size_t size) {
  if (!done) return done.error();
  if (*done != size) return Error(Code::unavailable, "cannot be written");
  return Done{};
}

}  // namespace

std::string in_quotes(const std::filesystem::path& path) {
  return "\"" + path.string() + "\"";
}

Error os_error(std::string_view what) {
  const int number = errno;
  const Code code = number == ENOENT || number == ENOTDIR     ? Code::not_found
                    : number == EACCES || number == EPERM     ? Code::denied
                    : number == EEXIST || number == ENOTEMPTY ? Code::conflict
                                                              : Code::unavailable;
  std::string text = std::strerror(number);
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return {code, std::string(what) + ": " + text};
}

Result<std::size_t> read_full(int fd, std::span<std::uint8_t> out) {
  return repeat(out.size(), "cannot be read",
                [&](std::size_t done) { return read(fd, out.data() + done, out.size() - done); });
}

Result<std::size_t> read_full_at(int fd, std::span<std::uint8_t> out, std::uint64_t offset) {
  return repeat(out.size(), "cannot be read", [&](std::size_t done) {
    return pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
  });
}

Status write_all(int fd, ByteView bytes) {
  return all_of(repeat(bytes.size(), "cannot be written",
                       [&](std::size_t done) { return write(fd, bytes.data() + done, bytes.size() - done); }),
                bytes.size());
}

Status write_all_at(int fd, ByteView bytes, std::uint64_t offset) {
  return all_of(repeat(bytes.size(), "cannot be written",
                       [&](std::size_t done) {
                         return pwrite(fd, bytes.data() + done, bytes.size() - done,
                                       static_cast<off_t>(offset + done));
                       }),
                bytes.size());
}

}  // namespace coprotect::client
