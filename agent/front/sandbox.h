#pragma once

#include "protocol/base/result.h"

namespace coprotect::agent::front {

// Takes from the process, for good and from all its threads, everything that serving open sockets does not
// need: it gains no privileges (no_new_privs), reaches no path (Landlock), and of the system calls only an
// allow-list is left (seccomp), without opening files, making or connecting sockets, starting programs,
// executable memory, or touching other processes; others fail with EPERM. Returns the version of Landlock's
// interface, 0 if the kernel has none: then seccomp alone keeps files away.
Result<int> enter_sandbox();

}  // namespace coprotect::agent::front
