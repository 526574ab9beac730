#pragma once

#include <filesystem>
#include <vector>

#include "protocol/base/result.h"

namespace coprotect::agent {

// The named local sockets that a process may send datagrams to: none, those that have a path, or also those
// of the abstract namespace. No filter can allow a single one.
enum class Datagrams { none, with_path, all };

// What a process still has to be able to do in its sandbox, besides serving sockets that are open already.
struct SandboxNeeds {
  bool connect = false;  // make IP sockets and connect them, as a TLS client and a resolver do
  bool pairs = false;    // make pairs of local sockets
  Datagrams datagrams = Datagrams::none;        // as to a supervisor
  bool secrets = false;                         // take locked memory
  std::vector<std::filesystem::path> read{};    // files and whole folders; what is missing is left out
  std::vector<std::filesystem::path> list{};    // folders whose files are named and read
  std::vector<std::filesystem::path> change{};  // folders in which files are made, written, renamed, removed
};

// Takes from the process, for good and from all its threads, everything that it does not need: it gains no
// privileges (no_new_privs), reaches no path but those that it needs (Landlock), and of the system calls only
// an allow-list is left (seccomp), without starting programs, executable memory, listening, or touching other
// processes; without needs also without opening files and making or connecting sockets. Others fail with
// EPERM. Returns the version of Landlock's interface, 0 if the kernel has none: then no file can be opened at
// all, but for a process that changes files, which then reaches all that its user may.
Result<int> enter_sandbox(const SandboxNeeds& needs = {});

}  // namespace coprotect::agent
