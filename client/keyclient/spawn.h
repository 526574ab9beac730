#pragma once

#include "protocol/base/result.h"

namespace coprotect::keyclient {

// Starts coprotect-keyd with `channel` as its descriptor 3 and nothing else of this program: no descriptor,
// signal disposition or terminal, and of the environment only HOME, COPROTECT_CONFIG and COPROTECT_DEBUG.
// Where it lies is built in; COPROTECT_KEYD names another one, by an absolute path.
//
// The program around is not ours, so nothing of this shows in it: the helper is no child of it (no SIGCHLD,
// nothing for its wait() to find), none of its fork handlers run, and no signal handler of its runs in what
// is forked.
Status spawn_keyd(int channel);

}  // namespace coprotect::keyclient
