#pragma once

#include <functional>

#include "client/files/progress.h"
#include "client/files/window_cipher.h"

namespace coprotect::client {

// Fills the span from the input. Returns less than its size only at the end.
using WindowSource = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
// Receives the next bytes of the output, in order.
using WindowSink = std::function<Status(ByteView)>;

// Seals or opens the chunks of a body that is read and written in order (pipes, terminals, devices). Uses all
// cores, and an amount of memory that does not depend on the size. Errors as for transform_file(), and those
// of source and sink. Only verified bytes reach the sink. After an error the bytes before it have reached the
// sink, and the caller says so. The source is called on the calling thread, the sink on another one.
Status transform_stream(const protocol::BodyKey& key, Direction direction, const WindowSource& source,
                        const WindowSink& sink, Progress& progress);

}  // namespace coprotect::client
