#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace coprotect::agent {

// What `coprotect-agent check` finds. A fault keeps the agent from starting or from its work; the rest the
// operator should know.
struct Finding {
  bool is_fault;
  std::string object;
  std::string cause;
  std::string step;  // the command or step that mends it
  // One line, safe for a terminal.
  std::string line() const;
};

// Looks at everything that an agent needs at its start, as the user who runs this: configuration,
// permissions, programs, certificates, clock, token, store and peers. `programs` is the folder of the agent's
// programs. Nothing is changed, with one exception: a PIN that the token refuses now is noted for later
// starts, as a start would, and one that was refused before is not tried.
std::vector<Finding> check(const std::filesystem::path& config_file, const std::filesystem::path& programs,
                           std::int64_t now_ms);

}  // namespace coprotect::agent
