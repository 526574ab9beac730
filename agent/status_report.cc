#include "agent/status_report.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "protocol/base/fd.h"

namespace coprotect::agent {
namespace {

bool write_whole(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// All of it or what was there before; but not durable, unlike hsm::replace_file(), since the next one comes
// soon: the disk can sleep.
Status put_report(const std::filesystem::path& file, std::string_view content) {
  const std::string next = file.string() + ".new";
  const Fd fd(open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (fd && write_whole(fd.get(), content) && rename(next.c_str(), file.c_str()) == 0) return Done{};
  return Error(Code::unavailable, "cannot write \"" + file.string() + "\": " + std::strerror(errno));
}

}  // namespace

const std::string& StatusReport::sweep() {
  const auto now = Clock::now();
  if (written_ && now - *written_ < kStatusEvery) return failure_;
  written_ = now;
  const auto written = put_report(file_, overview_());
  failure_ = written ? std::string() : written.error().message();
  return failure_;
}

}  // namespace coprotect::agent
