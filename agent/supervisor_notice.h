#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

namespace coprotect::agent {

// Sends the service's state ("READY=1") to the service manager, as sd_notify(3) does. Does nothing if there
// is no service manager. Implemented here because libsystemd would bring a dozen libraries into the process
// that holds the shares.
void notify_supervisor(std::string_view state);

// How often the service manager expects WATCHDOG=1 (WatchdogSec=, sd_watchdog_enabled(3)); none if it does
// not.
std::optional<std::chrono::microseconds> watchdog_period();

// The folder that the service manager made for this service while it runs (RuntimeDirectory=); none if it
// made none.
std::optional<std::filesystem::path> runtime_folder();

// Like notify_supervisor("RELOADING=1"), with the monotonic timestamp that systemd requires.
void notify_reloading();

}  // namespace coprotect::agent
