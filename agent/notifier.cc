#include "agent/notifier.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <system_error>
#include <thread>

#include "agent/log.h"
#include "hsm/spawn.h"
#include "protocol/base/fd.h"

namespace coprotect::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLimit{60};
constexpr int kItsChannel = 3;

// The command's exit status, or nothing if it had to be killed.
std::optional<int> wait_for(const hsm::Spawned& command) {
  pollfd ended{.fd = command.handle.get(), .events = POLLIN, .revents = 0};
  const auto end = Clock::now() + kLimit;
  int ready = 0;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    ready = poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) hsm::kill_group(command);
  const auto status = hsm::reap(command);
  if (ready <= 0) return std::nullopt;
  return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : 128;
}

// Whether it ended with status 0.
bool run(const std::filesystem::path& command, const custodian::Notification& notification) {
  const std::string name = "notification \"" + notification.event + "\" by \"" + command.string() + "\"";
  std::array<int, 2> ends{-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    log_error(name + " failed: no socket");
    return false;
  }
  const Fd ours(ends[0]);
  const Fd its(ends[1]);
  const auto started = hsm::spawn(command,
                                  {command.string(), notification.event, notification.tenant,
                                   to_hex(notification.key_id), notification.text},
                                  {}, its.get(), kItsChannel);
  if (!started) {
    log_error(name + " failed: " + started.error().message());
    return false;
  }
  const auto status = wait_for(*started);
  if (!status)
    log_error(name + " was killed after a minute");
  else if (*status != 0)
    log_error(name + " ended with status " + std::to_string(*status));
  return status == 0;
}

}  // namespace

std::function<std::future<bool>(const custodian::Notification&)> notifier(
    const std::optional<std::filesystem::path>& command) {
  if (!command) return nullptr;
  // Each gets its own thread: they are rare, and nothing waits for them.
  return [command = *command](const custodian::Notification& notification) {
    std::promise<bool> told;
    auto answer = told.get_future();
    try {
      std::thread([command, notification, told = std::move(told)]() mutable {
        bool done = false;
        try {
          done = run(command, notification);
        } catch (const std::exception&) {
          log_error("a notification failed: no memory");
        }
        told.set_value(done);
      }).detach();
    } catch (const std::system_error& failure) {
      log_error("notification \"" + notification.event + "\" failed: no thread: " + failure.what());
      std::promise<bool> failed;
      failed.set_value(false);
      return failed.get_future();
    }
    return answer;
  };
}

}  // namespace coprotect::agent
