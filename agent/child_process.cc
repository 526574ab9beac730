#include "agent/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/log.h"

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

class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  // 0, or what posix_spawn() returns. A process group of its own keeps a terminal's signals from it: the
  // agent stops it.
  int spawn(std::vector<std::string> arguments, int channel, pid_t& pid) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    char* no_environment[] = {nullptr};
    posix_spawn_file_actions_adddup2(&actions_, channel, kChannel);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, kChannel + 1);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    return posix_spawn(&pid, argv[0], &actions_, &attributes_, argv.data(), no_environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(std::string name,
                                                          const std::vector<std::string>& arguments,
                                                          Take take) {
  auto ends = ipc::Channel::make_pair();
  if (!ends) return std::move(ends).error();
  auto channel = std::make_shared<ipc::Channel>(std::move(ends->first));
  if (auto limited = channel->limit_send(kSendLimit); !limited) return std::move(limited).error();
  pid_t pid = -1;
  const int failure = SpawnSettings().spawn(arguments, ends->second.get(), pid);
  if (failure != 0)
    return Error(Code::unavailable, "cannot start \"" + arguments[0] + "\": " + std::strerror(failure));
  std::unique_ptr<ChildProcess> process(
      new ChildProcess(std::move(name), pid, Fd(open_handle(pid)), std::move(channel)));
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
