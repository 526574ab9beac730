#include "agent/child_process.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/log.h"
#include "hsm/spawn.h"

namespace coprotect::agent {
namespace {

constexpr int kChannel = 3;  // the child's number for its end
// A process that takes no bytes for this long is given up; the workers must not wait for it.
constexpr std::chrono::seconds kSendLimit(10);

// glibc 2.36 declares its functions for these two without extern "C".
int open_handle(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}
void kill_by_handle(int handle) {
  syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0);
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(std::string name,
                                                          const std::vector<std::string>& arguments,
                                                          Take take) {
  auto ends = ipc::Channel::make_pair();
  if (!ends) return std::move(ends).error();
  auto channel = std::make_shared<ipc::Channel>(std::move(ends->first));
  if (auto limited = channel->limit_send(kSendLimit); !limited) return std::move(limited).error();
  const auto pid = hsm::spawn(arguments.front(), arguments, {}, ends->second.get(), kChannel);
  if (!pid) return pid.error();
  std::unique_ptr<ChildProcess> process(
      new ChildProcess(std::move(name), *pid, Fd(open_handle(*pid)), std::move(channel)));
  if (!process->handle_) return Error(Code::internal, std::string("pidfd_open: ") + std::strerror(errno));
  process->reader_ = std::jthread([raw = process.get(), take = std::move(take)] { raw->read(take); });
  return process;
}

ChildProcess::~ChildProcess() {
  channel_->shutdown();
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    reap();
  }
}

std::string ChildProcess::reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  channel_->shutdown();
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

void ChildProcess::read(const Take& take) {
  for (;;) {
    const auto frame = channel_->receive();
    if (!frame && frame.error().code() == Code::unavailable) return;
    if (frame && take(channel_, *frame)) continue;
    log_error("the " + name_ + " sends what no " + name_ + " sends; it is ended");
    channel_->shutdown();
    kill_by_handle(handle_.get());  // unlike pid_, the handle never is another process
    return;
  }
}

}  // namespace coprotect::agent
