#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace coprotect::hsm {

// Starts a program that has nothing open but one end of a channel, `channel` here and `its_channel` in it,
// and stderr; no environment but `environment` (NAME=VALUE); and no signal blocked or ignored. It leads a
// process group of its own, so that a terminal's signals do not reach it, and that what it starts can be
// killed with it. `arguments` begin with its name. Code::unavailable, naming the executable.
Result<pid_t> spawn(const std::filesystem::path& executable, std::vector<std::string> arguments,
                    std::vector<std::string> environment, int channel, int its_channel);

}  // namespace coprotect::hsm
