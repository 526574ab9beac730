#pragma once

#include <filesystem>

namespace coprotect::hsm {

// The part of an agent's folder that the agent itself writes while it serves: the store, the keys of its
// epochs, invitations, plans that wait, the note of a refused PIN. Its sandbox lets it write nothing else of
// its folder (docs/decisions/0026). So nothing in here may decide what a process outside that sandbox does,
// and such a process follows no link in here and reads regular files only.
inline std::filesystem::path state_of(const std::filesystem::path& agent_folder) {
  return agent_folder / "state";
}

// In there, from the operator's tool: SHA-256 of the table of sealing keys (epoch_keys.h) that the newest
// backup has; 32 zero bytes if there was none yet.
inline constexpr const char* kBackedUpFile = "backed-up";

}  // namespace coprotect::hsm
