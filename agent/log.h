#pragma once

#include <string_view>

namespace coprotect::agent {

// One line per event to stderr, begun with the priority as journald reads it (sd-daemon(3)): <3> error, <4>
// warning, <6> info. Control characters in the text, which may come from a stranger, are replaced. Safe from
// several threads.
void log_error(std::string_view text);
void log_warning(std::string_view text);
void log_info(std::string_view text);

}  // namespace coprotect::agent
