#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "agent/custodian/settings.h"

namespace coprotect::agent {

// Runs the operator's command for each notification, with the arguments EVENT TENANT KEY_ID TEXT, an empty
// environment and nothing open but stderr; killed after a minute. What it does is nobody's business here: how
// it ended is only logged. Empty without a command.
std::function<void(const custodian::Notification&)> notifier(
    const std::optional<std::filesystem::path>& command);

}  // namespace coprotect::agent
