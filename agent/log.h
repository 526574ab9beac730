#pragma once

#include <string_view>

namespace coprotect::agent {

// Writes one line per event to stderr, prefixed with the priority in journald's form (sd-daemon(3)): <3>
// error, <4> warning, <6> info. Replaces control characters, because the text may come from an untrusted
// peer. Safe from several threads.
void log_error(std::string_view text);
void log_warning(std::string_view text);
void log_info(std::string_view text);

}  // namespace coprotect::agent
