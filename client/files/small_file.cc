#include "client/files/small_file.h"

#include <fcntl.h>

#include "client/files/fd.h"
#include "protocol/base/secret_file.h"

namespace coprotect::client {
namespace {

enum class Holds { anything, a_secret };

// Fills `buffer`, which is one byte larger than the maximum content.
Result<std::size_t> read_whole(const std::filesystem::path& file, std::span<std::uint8_t> buffer,
                               Holds holds) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return os_error(in_quotes(file) + ": cannot be read");
  if (holds == Holds::a_secret)
    if (auto kept = is_kept_secret(fd.get(), file.native()); !kept) return std::move(kept).error();
  auto size = read_full(fd.get(), buffer);
  if (!size) return std::move(size).error().in(in_quotes(file));
  if (*size == buffer.size()) return Error(Code::malformed, in_quotes(file) + ": longer than it may be");
  return size;
}

}  // namespace

Result<Bytes> read_small_file(const std::filesystem::path& file, std::size_t limit) {
  Bytes content(limit + 1);
  const auto size = read_whole(file, content, Holds::anything);
  if (!size) return size.error();
  content.resize(*size);
  content.shrink_to_fit();
  return content;
}

Result<Secret> read_secret_file(const std::filesystem::path& file, std::size_t limit) {
  Secret content(limit + 1);
  const auto size = read_whole(file, content.fill(), Holds::a_secret);
  if (!size) return size.error();
  return Secret::copy_of(content.reveal().first(*size));
}

}  // namespace coprotect::client
