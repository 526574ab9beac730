#pragma once

#include <filesystem>
#include <vector>

#include "protocol/base/result.h"

namespace coprotect::agent {

// What a process still has to be able to do in its sandbox, besides serving sockets that are open already.
struct SandboxNeeds {
  bool connect = false;  // make IP sockets and connect them, as a TLS client and a resolver do
  std::vector<std::filesystem::path> read{};  // files and whole folders; what is missing is left out
};

// Takes from the process, for good and from all its threads, everything that it does not need: it gains no
// privileges (no_new_privs), reaches no path but those that it needs to read (Landlock), and of the system
// calls only an allow-list is left (seccomp), without starting programs, executable memory, listening, or
// touching other processes; without needs also without opening files and making or connecting sockets. Others
// fail with EPERM. Returns the version of Landlock's interface, 0 if the kernel has none: then no file can be
// opened at all.
Result<int> enter_sandbox(const SandboxNeeds& needs = {});

}  // namespace coprotect::agent
