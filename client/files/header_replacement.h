#pragma once

#include <filesystem>

#include "client/files/input.h"
#include "client/files/progress.h"
#include "protocol/file/header.h"

namespace coprotect::client {

// Gives an encrypted file another header; the bytes of its body are copied by the kernel and not looked at.
// The file is replaced as a whole, durably, with the owner, the permissions and the times that it had, or
// stays as it was; who has it open keeps the old one. `input` is the file, opened, `present` its header.
// Code::conflict if the file is no regular one, or changed meanwhile.
Status replace_header(const std::filesystem::path& file, const Input& input, const protocol::Header& present,
                      const protocol::Header& next, Progress& progress);
// The same for a name in an open folder.
Status replace_header(const Folder& folder, const std::string& name, const Input& input,
                      const protocol::Header& present, const protocol::Header& next, Progress& progress);

}  // namespace coprotect::client
