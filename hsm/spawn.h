#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::hsm {

// A program that was started. It must be reaped.
struct Spawned {
  pid_t pid;
  Fd handle;  // readable once it has ended; unlike pid, it never refers to another process
};

// Starts, signals and reaps programs for all threads of a process.
class Spawner {
 public:
  virtual ~Spawner() = default;
  virtual Result<Spawned> start(const std::filesystem::path& executable, std::vector<std::string> arguments,
                                std::vector<std::string> environment, int channel, int its_channel) = 0;
  virtual void signal_group(pid_t pid, int number) = 0;  // SIGTERM or SIGKILL
  virtual std::optional<int> reap(const Spawned& spawned) = 0;
};

// The spawner whose programs are children of this process. The default unless spawn_through() set another.
Spawner& direct_spawner();
// Makes the functions below use this spawner. Call before other threads are started.
void spawn_through(Spawner& spawner);

// Starts a program. It has nothing open but stderr and one end of a channel, which is `channel` here and
// `its_channel` there; no environment but `environment` (NAME=VALUE); and no signal blocked or ignored. It
// leads its own session and process group, so it has no terminal and its children can be killed with it.
// `arguments` begin with its name. Code::unavailable, naming the executable.
Result<Spawned> spawn(const std::filesystem::path& executable, std::vector<std::string> arguments,
                      std::vector<std::string> environment, int channel, int its_channel);
// Asks the program and its children to end (SIGTERM).
void end_group(const Spawned& spawned);
// Kills the program and its children.
void kill_group(const Spawned& spawned);
// Waits for its end. Returns how it ended, as waitpid() reports; nothing if unknown.
std::optional<int> reap(const Spawned& spawned);

}  // namespace coprotect::hsm
