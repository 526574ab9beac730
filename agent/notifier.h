#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <optional>

#include "agent/custodian/settings.h"

namespace coprotect::agent {

// Returns a function that runs the operator's command for each notification, with the arguments EVENT TENANT
// KEY_ID TEXT, an empty environment and only stderr open. The command is killed after a minute. The future is
// true if it exited with status 0; any other end is logged. Returns an empty function if there is no command.
std::function<std::future<bool>(const custodian::Notification&)> notifier(
    const std::optional<std::filesystem::path>& command);

}  // namespace coprotect::agent
