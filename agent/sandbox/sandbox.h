#pragma once

#include <filesystem>
#include <vector>

#include "protocol/base/result.h"

namespace coprotect::agent {

// The named local sockets that a process may send datagrams to: none, those with a path, or also those in the
// abstract namespace. A filter cannot allow just one of them.
enum class Datagrams { none, with_path, all };

// What a process must still be able to do in its sandbox, besides serving sockets that are already open.
struct SandboxNeeds {
  bool connect = false;  // make IP sockets and connect them, as a TLS client and a resolver do
  bool pairs = false;    // make pairs of local sockets
  Datagrams datagrams = Datagrams::none;        // for example to a supervisor
  bool secrets = false;                         // allocate locked memory
  std::vector<std::filesystem::path> read{};    // files and whole folders; missing ones are skipped
  std::vector<std::filesystem::path> list{};    // folders whose files are listed and read
  std::vector<std::filesystem::path> change{};  // folders whose files are created, written, renamed, removed
};

// Permanently removes from the process and all its threads every capability that it does not need. It cannot
// gain privileges (no_new_privs), and reaches only the paths that it needs (Landlock). Only an allow-list of
// system calls remains (seccomp): no starting of programs, executable memory, listening, or access to other
// processes; unless needed, also no opening of files and no making or connecting of sockets. All others fail
// with EPERM. Returns the version of Landlock's interface, 0 if the kernel has none. In that case a process
// can open no file at all, except one that changes files: it can then reach everything that its user may.
Result<int> enter_sandbox(const SandboxNeeds& needs = {});

}  // namespace coprotect::agent
