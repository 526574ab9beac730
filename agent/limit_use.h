#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace coprotect::agent {

// How much of a limit of docs/LIMITS.md is in use. Where each client, say, has its own, it is the use of the
// one that has the most.
struct LimitUse {
  std::string at;    // where it is kept: "front", "short", "day" and so on
  std::string name;  // as in agent.toml
  std::uint64_t limit;
  std::uint64_t use = 0;
  std::uint64_t hits = 0;  // how often somebody was refused or cut for it since the start
};

inline std::uint64_t mib_of(std::size_t bytes) {
  return (bytes + (std::size_t{1} << 20) - 1) >> 20;
}

}  // namespace coprotect::agent
