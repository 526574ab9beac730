#pragma once

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::agent::ipc {

// The content of a small file (64 KiB) that another process opened, from its beginning whatever the
// descriptor's position. In locked memory, because it may be a key. Code::malformed for any other kind of
// file.
Result<Secret> read_open_file(int file);

}  // namespace coprotect::agent::ipc
