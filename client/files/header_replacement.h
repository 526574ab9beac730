#pragma once

#include <filesystem>

#include "client/files/input.h"
#include "client/files/progress.h"
#include "protocol/file/header.h"

namespace coprotect::client {

// Gives an encrypted file another header. The kernel copies the bytes of the body; they are not examined. The
// file is replaced durably and as a whole, with its owner, permissions and times, or it stays unchanged. A
// program that has it open keeps the old file. `input` is the open file, `present` its header. Code::conflict
// if the file is not a regular one or changed meanwhile.
Status replace_header(const std::filesystem::path& file, const Input& input, const protocol::Header& present,
                      const protocol::Header& next, Progress& progress);
// The same for a name in an open folder.
Status replace_header(const Folder& folder, const std::string& name, const Input& input,
                      const protocol::Header& present, const protocol::Header& next, Progress& progress);

}  // namespace coprotect::client
