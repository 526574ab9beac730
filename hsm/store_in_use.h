#pragma once

#include <filesystem>

namespace coprotect::hsm {

// Whether an agent runs on a store: whether it holds the store's lock. Nothing is made or changed.
bool is_in_use(const std::filesystem::path& store);

}  // namespace coprotect::hsm
