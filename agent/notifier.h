#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <optional>

#include "agent/custodian/settings.h"

namespace coprotect::agent {

// Runs the operator's command for each notification, with the arguments EVENT TENANT KEY_ID TEXT, an empty
// environment and nothing open but stderr; killed after a minute. The future is true if it ended with status
// 0; anything else is logged. Empty without a command.
std::function<std::future<bool>(const custodian::Notification&)> notifier(
    const std::optional<std::filesystem::path>& command);

}  // namespace coprotect::agent
