#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace coprotect::agent {

// How much of a limit of docs/LIMITS.md is in use. For a limit per client (or tenant, and so on), the use is
// that of the client with the most.
struct LimitUse {
  std::string at;    // where it is enforced: "front", "short", "day" and so on
  std::string name;  // as in agent.toml
  std::uint64_t limit;
  std::uint64_t use = 0;
  std::uint64_t hits = 0;  // refusals and cut-offs because of it since the start
};

inline std::uint64_t mib_of(std::size_t bytes) {
  return (bytes + (std::size_t{1} << 20) - 1) >> 20;
}

}  // namespace coprotect::agent
