#pragma once

#include "protocol/base/result.h"

namespace coprotect::keyclient {

// Starts coprotect-keyd with `channel` as its descriptor 3. It inherits nothing else from this program: no
// descriptor, signal disposition or terminal, and of the environment only HOME, COPROTECT_CONFIG and
// COPROTECT_DEBUG. Its path is built in. COPROTECT_KEYD names another one, as an absolute path.
//
// The program is not ours, so it must not notice the helper. The helper is not its child (no SIGCHLD, nothing
// for its wait()). The program's fork handlers do not run, nor do its signal handlers in the forked process.
Status spawn_keyd(int channel);

}  // namespace coprotect::keyclient
