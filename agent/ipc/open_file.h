#pragma once

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::agent::ipc {

// The content of a small file (64 KiB) that another process opened, from its beginning wherever the
// descriptor stands; in locked memory since it may be a key. Code::malformed if it is anything else.
Result<Secret> read_open_file(int file);

}  // namespace coprotect::agent::ipc
