#include "hsm/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace coprotect::hsm {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The initial settings of the new process.
class Settings {
 public:
  Settings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~Settings() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  // False if memory runs out.
  bool set(int channel, int its_channel) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    return posix_spawn_file_actions_adddup2(&actions_, channel, its_channel) == 0 &&
           posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
           posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
           posix_spawn_file_actions_addclosefrom_np(&actions_, its_channel + 1) == 0 &&
           posix_spawnattr_setflags(
               &attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0 &&
           posix_spawnattr_setsigmask(&attributes_, &none) == 0 &&
           posix_spawnattr_setsigdefault(&attributes_, &all) == 0;
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Error cannot_start(const std::filesystem::path& executable, int failure) {
  return {Code::unavailable, "cannot start \"" + executable.string() +
                                 "\": " + std::error_code(failure, std::generic_category()).message()};
}

class DirectSpawner : public Spawner {
 public:
  Result<Spawned> start(const std::filesystem::path& executable, std::vector<std::string> arguments,
                        std::vector<std::string> environment, int channel, int its_channel) override {
    const auto argv = pointers_to(arguments);
    const auto envp = pointers_to(environment);
    Settings settings;
    pid_t pid = -1;
    const int failure = settings.set(channel, its_channel)
                            ? posix_spawn(&pid, executable.c_str(), settings.actions(), settings.attributes(),
                                          argv.data(), envp.data())
                            : ENOMEM;
    if (failure != 0) return cannot_start(executable, failure);
    // glibc 2.36 declares its function for this without extern "C".
    Spawned spawned{.pid = pid, .handle = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)))};
    if (spawned.handle) return spawned;
    const int none = errno;
    signal_group(pid, SIGKILL);
    reap(spawned);
    return cannot_start(executable, none);
  }

  void signal_group(pid_t pid, int number) override { kill(-pid, number); }

  std::optional<int> reap(const Spawned& spawned) override {
    int status = 0;
    while (waitpid(spawned.pid, &status, 0) < 0)
      if (errno != EINTR) return std::nullopt;
    return status;
  }
};

Spawner*& spawner_in_use() {
  static Spawner* used = &direct_spawner();
  return used;
}

}  // namespace

Spawner& direct_spawner() {
  static DirectSpawner& direct = *new DirectSpawner;  // reaping threads may be last
  return direct;
}

void spawn_through(Spawner& spawner) {
  spawner_in_use() = &spawner;
}

Result<Spawned> spawn(const std::filesystem::path& executable, std::vector<std::string> arguments,
                      std::vector<std::string> environment, int channel, int its_channel) {
  return spawner_in_use()->start(executable, std::move(arguments), std::move(environment), channel,
                                 its_channel);
}

void end_group(const Spawned& spawned) {
  spawner_in_use()->signal_group(spawned.pid, SIGTERM);
}

void kill_group(const Spawned& spawned) {
  spawner_in_use()->signal_group(spawned.pid, SIGKILL);
}

std::optional<int> reap(const Spawned& spawned) {
  return spawner_in_use()->reap(spawned);
}

}  // namespace coprotect::hsm
