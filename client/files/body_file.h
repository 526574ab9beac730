#pragma once

#include "client/files/progress.h"
#include "client/files/window_cipher.h"

namespace coprotect::client {

// A part of a regular file: where the body stands in it.
struct FileRange {
  int fd;
  std::uint64_t offset;
};

// Seals or opens the chunks of a body, `in_size` bytes of them, from one regular file to another, on all
// cores; the memory used does not depend on the size. Code::altered if a chunk is not what was sealed, or
// chunks are missing; Code::conflict if the input became shorter meanwhile. What was written until then is
// worth nothing.
Status transform_file(const protocol::BodyKey& key, Direction direction, FileRange in, std::uint64_t in_size,
                      FileRange out, Progress& progress);

}  // namespace coprotect::client
