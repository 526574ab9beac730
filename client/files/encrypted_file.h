#pragma once

#include "client/files/input.h"
#include "client/files/progress.h"
#include "client/files/target.h"
#include "protocol/file/body.h"
#include "protocol/file/header.h"

namespace coprotect::client {

// Whether a file whose reading has not begun is one of ours, by what it begins with.
Result<bool> is_encrypted(Input& input);

// Reads a header from the front of a file; what follows it is read next.
Result<protocol::Header> read_header(Input& input);

// Size of the content of an encrypted file whose header was read; reads a stream to its end.
Result<std::uint64_t> content_size(Input& input);

// Writes header and sealed content, and makes the target visible. Code::conflict if the input changed
// meanwhile, or the target is a terminal.
Status write_encrypted(Input& input, const protocol::Header& header, const Secret& file_key, Target& target,
                       Progress& progress);

// Opens the body after a header that was unlocked, and makes the target visible. Code::altered if it is not
// the one that was sealed; then nothing appears, or a stream is incomplete and the message says so.
Status write_decrypted(Input& input, const protocol::Header& header, const Secret& file_key, Target& target,
                       Progress& progress);

}  // namespace coprotect::client
