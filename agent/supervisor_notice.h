#pragma once

#include <string_view>

namespace coprotect::agent {

// Tells the service manager about the service's state, as sd_notify(3) does ("READY=1"); nothing if there is
// none. Written out here because libsystemd would bring a dozen libraries into the process that holds the
// shares.
void notify_supervisor(std::string_view state);

// As notify_supervisor("RELOADING=1"), with the clock that systemd wants along with it.
void notify_reloading();

}  // namespace coprotect::agent
