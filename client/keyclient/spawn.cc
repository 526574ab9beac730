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

// secure_getenv: a program with privileges of its own does not take orders from the environment.
std::string keyd_path() {
  const char* const named = secure_getenv("COPROTECT_KEYD");
  return named != nullptr && *named == '/' ? named : COPROTECT_KEYD_PATH;
}

// What the new process needs, made before it: between fork and exec of a program with threads, memory must
// not be taken.
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

// As fork(), but runs no handlers of the program, and the child is one that sends no signal when it ends and
// that no wait() of the program finds. (fork(2) with another exit signal: clone(2), "the child termination
// signal".)
pid_t fork_unseen() {
  return static_cast<pid_t>(syscall(SYS_clone, 0, nullptr, nullptr, nullptr, nullptr));
}

// In the new process: only calls of signal-safety(7).
[[noreturn]] void become_keyd(Prepared& prepared) {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &standard, nullptr);
  setsid();
  const int null = open("/dev/null", O_RDWR);
  const int channel = fcntl(prepared.channel, F_DUPFD, kKeydChannel + 1);  // out of the way of what follows
  if (null < 0 || channel < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) _exit(126);
  if (!prepared.keep_stderr && dup2(null, 2) < 0) _exit(126);
  if (dup2(channel, kKeydChannel) < 0) _exit(126);
  if (syscall(SYS_close_range, kKeydChannel + 1, ~0U, 0) != 0) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(prepared.path.c_str(), prepared.arguments.data(), prepared.environment.data());
  _exit(127);
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
    // Ends at once, so that the helper's parent is the system's first process, which reaps it.
    const pid_t keyd = fork_unseen();
    if (keyd == 0) become_keyd(prepared);
    _exit(keyd < 0 ? 1 : 0);
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
