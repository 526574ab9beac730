#pragma once

#include "client/files/input.h"
#include "client/files/progress.h"
#include "client/files/target.h"
#include "protocol/file/body.h"
#include "protocol/file/header.h"

namespace coprotect::client {

// Whether a file is one of ours, judged by its first bytes. Call it before anything else is read.
Result<bool> is_encrypted(Input& input);

// Reads a header from the front of a file. The bytes after it are read next.
Result<protocol::Header> read_header(Input& input);

// The size of an encrypted file's content after its header was read. Reads a stream to its end.
Result<std::uint64_t> content_size(Input& input);

// Writes header and sealed content, then makes the target visible. Code::conflict if the input changed
// meanwhile or the target is a terminal.
Status write_encrypted(Input& input, const protocol::Header& header, const Secret& file_key, Target& target,
                       Progress& progress);

// Opens the body after an unlocked header, then makes the target visible. Code::altered if it is not the body
// that was sealed. Then no file appears, or a stream is incomplete and the message says so.
Status write_decrypted(Input& input, const protocol::Header& header, const Secret& file_key, Target& target,
                       Progress& progress);

}  // namespace coprotect::client
