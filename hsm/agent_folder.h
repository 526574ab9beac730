#pragma once

#include <filesystem>

namespace coprotect::hsm {

// The part of an agent's folder that the agent itself writes while it serves: the store, its epoch keys,
// invitations, pending plans, the note of a rejected PIN. Its sandbox lets it write nothing else in its
// folder (docs/decisions/0026). So nothing in here may decide what a process outside that sandbox does. Such
// a process follows no links in here and reads only regular files.
inline std::filesystem::path state_of(const std::filesystem::path& agent_folder) {
  return agent_folder / "state";
}

// In the state folder, written by the operator's tool: SHA-256 of the table of sealing keys (epoch_keys.h) in
// the newest backup; 32 zero bytes if there was no table yet.
inline constexpr const char* kBackedUpFile = "backed-up";

}  // namespace coprotect::hsm
