#pragma once

#include <functional>

#include "client/files/progress.h"
#include "client/files/window_cipher.h"

namespace coprotect::client {

// Fills the span from the input; returns less than its size only at the end.
using WindowSource = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
// Takes the next bytes of the output, in order.
using WindowSink = std::function<Status(ByteView)>;

// Seals or opens the chunks of a body that comes and goes in order (pipes, terminals, devices), on all cores;
// the memory used does not depend on the size. Errors as transform_file(), and those of source and sink. Only
// verified bytes reach the sink, but after an error those before it have: the caller says so. The source is
// called on the calling thread, the sink on another one.
Status transform_stream(const protocol::BodyKey& key, Direction direction, const WindowSource& source,
                        const WindowSink& sink, Progress& progress);

}  // namespace coprotect::client
