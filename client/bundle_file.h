#pragma once

#include <filesystem>

#include "protocol/bundle/bundle.h"

namespace coprotect::client {

// Durably replaces an older bundle of the same key. The file keeps its owner and permissions, and is complete
// at any time. Done also if the file already has this bundle or a newer one, because another program was
// faster. Code::altered if the file has another history of the key. Other errors say why the file cannot be
// written.
Status keep_bundle(const protocol::Bundle& bundle, const std::filesystem::path& file);

}  // namespace coprotect::client
