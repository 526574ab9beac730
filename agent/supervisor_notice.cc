#include "agent/supervisor_notice.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "protocol/base/fd.h"

namespace coprotect::agent {

void notify_supervisor(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  const std::size_t length = path == nullptr ? 0 : std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // a name in the abstract namespace
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  // Continue if the supervisor cannot be reached.
  (void)sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
               size);
}

// Several are separated by colons.
std::optional<std::filesystem::path> runtime_folder() {
  const char* const folders = std::getenv("RUNTIME_DIRECTORY");
  if (folders == nullptr || *folders != '/') return std::nullopt;
  const std::string_view all(folders);
  return std::filesystem::path(all.substr(0, all.find(':')));
}

std::optional<std::chrono::microseconds> watchdog_period() {
  const auto number = [](const char* name) {
    const char* const text = std::getenv(name);
    std::uint64_t value = 0;
    const char* const end = text == nullptr ? nullptr : text + std::strlen(text);
    if (text == nullptr) return value;
    const auto parsed = std::from_chars(text, end, value);
    return parsed.ec == std::errc{} && parsed.ptr == end ? value : 0;
  };
  const auto process = number("WATCHDOG_PID");
  const auto period = number("WATCHDOG_USEC");
  constexpr std::uint64_t kMost = 1'000'000'000'000;  // eleven days
  if (period == 0 || period > kMost || (process != 0 && process != static_cast<std::uint64_t>(getpid())))
    return std::nullopt;
  return std::chrono::microseconds(static_cast<std::int64_t>(period));
}

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  notify_supervisor("RELOADING=1\nMONOTONIC_USEC=" +
                    std::to_string(now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

}  // namespace coprotect::agent
