#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::hsm {

// A program that was started. It has to be reaped.
struct Spawned {
  pid_t pid;
  Fd handle;  // readable once it has ended; unlike pid, it never is another process
};

// What starts, kills and reaps programs, for all threads of a process.
class Spawner {
 public:
  virtual ~Spawner() = default;
  virtual Result<Spawned> start(const std::filesystem::path& executable, std::vector<std::string> arguments,
                                std::vector<std::string> environment, int channel, int its_channel) = 0;
  virtual void signal_group(pid_t pid, int number) = 0;  // SIGTERM or SIGKILL
  virtual std::optional<int> reap(const Spawned& spawned) = 0;
};

// Programs are children of this process, unless spawn_through() has said otherwise.
Spawner& direct_spawner();
// From now on the functions below go through this one. Before other threads are started.
void spawn_through(Spawner& spawner);

// Starts a program that has nothing open but one end of a channel, `channel` here and `its_channel` in it,
// and stderr; no environment but `environment` (NAME=VALUE); and no signal blocked or ignored. It leads a
// session and process group of its own, so that it has no terminal, and what it starts can be killed with it.
// `arguments` begin with its name. Code::unavailable, naming the executable.
Result<Spawned> spawn(const std::filesystem::path& executable, std::vector<std::string> arguments,
                      std::vector<std::string> environment, int channel, int its_channel);
// Asks it, with all that it started, to end (SIGTERM).
void end_group(const Spawned& spawned);
// Kills it with all that it started.
void kill_group(const Spawned& spawned);
// Waits for its end. As waitpid() tells how it ended; nothing if nobody knows.
std::optional<int> reap(const Spawned& spawned);

}  // namespace coprotect::hsm
