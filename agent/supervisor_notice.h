#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

namespace coprotect::agent {

// Tells the service manager about the service's state, as sd_notify(3) does ("READY=1"); nothing if there is
// none. Written out here because libsystemd would bring a dozen libraries into the process that holds the
// shares.
void notify_supervisor(std::string_view state);

// How often the service manager expects WATCHDOG=1 (WatchdogSec=, sd_watchdog_enabled(3)); none if it does
// not.
std::optional<std::chrono::microseconds> watchdog_period();

// The folder that the service manager made for this service as long as it runs (RuntimeDirectory=); none if
// it did not.
std::optional<std::filesystem::path> runtime_folder();

// As notify_supervisor("RELOADING=1"), with the clock that systemd wants along with it.
void notify_reloading();

}  // namespace coprotect::agent
