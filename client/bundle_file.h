#pragma once

#include <filesystem>

#include "protocol/bundle/bundle.h"

namespace coprotect::client {

// Puts a bundle durably in place of an older one of its key. The file keeps its owner and permissions, and is
// whole at any time. Done if it has this bundle or a newer one already: another program was faster. Errors:
// Code::altered if it has another history of the key; otherwise why it cannot be written.
Status keep_bundle(const protocol::Bundle& bundle, const std::filesystem::path& file);

}  // namespace coprotect::client
