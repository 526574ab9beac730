#pragma once

#include "client/files/progress.h"
#include "client/files/window_cipher.h"

namespace coprotect::client {

// A position in a regular file, at which a body begins.
struct FileRange {
  int fd;
  std::uint64_t offset;
};

// Seals or opens the chunks of a body, `in_size` bytes in total, from one regular file to another. Uses all
// cores, and an amount of memory that does not depend on the size. Code::altered if a chunk is not what was
// sealed or chunks are missing. Code::conflict if the input became shorter meanwhile. After an error the
// output is useless.
Status transform_file(const protocol::BodyKey& key, Direction direction, FileRange in, std::uint64_t in_size,
                      FileRange out, Progress& progress);

}  // namespace coprotect::client
