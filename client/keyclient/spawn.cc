#include "client/keyclient/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "client/keyclient/message.h"

namespace coprotect::keyclient {
namespace {

constexpr std::array kPassedVariables = {"HOME", "COPROTECT_CONFIG", "COPROTECT_DEBUG"};

// secure_getenv: a program with elevated privileges must not obey the environment.
std::string keyd_path() {
  const char* const named = secure_getenv("COPROTECT_KEYD");
  return named != nullptr && *named == '/' ? named : COPROTECT_KEYD_PATH;
}

// Everything that the new process needs, prepared in advance: memory must not be allocated between fork and
// exec of a program with threads.
struct Prepared {
  std::string path = keyd_path();
  std::vector<std::string> variables;
  std::vector<char*> environment;
  std::array<char*, 2> arguments = {path.data(), nullptr};
  bool keep_stderr = secure_getenv("COPROTECT_DEBUG") != nullptr;
  int channel;

  explicit Prepared(int fd) : channel(fd) {
    for (const char* const variable : kPassedVariables)
      if (const char* const value = secure_getenv(variable))
        variables.push_back(std::string(variable) + "=" + value);
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
};

// Like fork(), but runs no handlers of the program. The child sends no signal when it ends, and no wait() of
// the program finds it. (fork(2) with another exit signal: clone(2), "the child termination signal".)
pid_t fork_unseen() {
  return static_cast<pid_t>(syscall(SYS_clone, 0, nullptr, nullptr, nullptr, nullptr));
}

// Runs in the new process. Calls the kernel directly: code around this program's C library (a preloaded
// library, a sanitizer) may take locks that other threads held at the fork.
[[noreturn]] void exit_now(int status) {
  for (;;) syscall(SYS_exit_group, status);
}

[[noreturn]] void become_keyd(Prepared& prepared) {
  constexpr std::size_t kSignalSet = 8;          // size of the kernel's signal set in bytes
  const std::array<unsigned long, 4> as_zero{};  // kernel's sigaction for SIG_DFL; an empty signal set
  for (int signal = 1; signal < NSIG; ++signal)
    syscall(SYS_rt_sigaction, signal, as_zero.data(), nullptr, kSignalSet);
  syscall(SYS_setsid);
  const long null = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
  const long channel =
      syscall(SYS_fcntl, prepared.channel, F_DUPFD, kKeydChannel + 1);  // out of the way of the next
  if (null < 0 || channel < 0) exit_now(126);
  for (const int standard : {0, 1, 2}) {
    if (null == standard || (standard == 2 && prepared.keep_stderr)) continue;
    if (syscall(SYS_dup3, null, standard, 0) < 0) exit_now(126);
  }
  if (syscall(SYS_dup3, channel, kKeydChannel, 0) < 0) exit_now(126);
  if (syscall(SYS_close_range, kKeydChannel + 1, ~0U, 0) != 0) exit_now(126);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, as_zero.data(), nullptr, kSignalSet);
  syscall(SYS_execve, prepared.path.c_str(), prepared.arguments.data(), prepared.environment.data());
  exit_now(127);
}

}  // namespace

Status spawn_keyd(int channel) {
  Prepared prepared(channel);
  if (access(prepared.path.c_str(), X_OK) != 0)
    return Error(Code::internal, "cannot start \"" + prepared.path + "\": " + std::strerror(errno));
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t between = fork_unseen();
  if (between == 0) {
    // Ends immediately, so that the init process becomes the helper's parent and reaps it.
    const pid_t keyd = fork_unseen();
    if (keyd == 0) become_keyd(prepared);
    exit_now(keyd < 0 ? 1 : 0);
  }
  const int failure = errno;
  int status = 0;
  if (between > 0)
    while (waitpid(between, &status, static_cast<int>(__WCLONE)) < 0 && errno == EINTR) {
    }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (between < 0)
    return Error(Code::internal, std::string("cannot make a process: ") + std::strerror(failure));
  if (status != 0) return Error(Code::internal, "cannot make a process for coprotect-keyd");
  return Done{};
}

}  // namespace coprotect::keyclient
