#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "protocol/base/arena.h"
#include "swtpm-tests/harness/memory_search.h"

namespace coprotect::harness {

// Whether a process's memory was read and has nothing of the secret; if it has, where.
inline testing::AssertionResult none(const MemorySearch& search) {
  if (search.bytes_read < std::size_t{1} << 20) return testing::AssertionFailure() << "memory was not read";
  if (search.found.empty()) return testing::AssertionSuccess();
  std::map<std::string, int> places;
  for (const Residue& residue : search.found) ++places[residue.form + " in " + residue.mapping];
  auto failure = testing::AssertionFailure() << search.found.size() << " windows";
  for (const auto& [place, count] : places) failure << "\n  " << count << " " << place;
  return failure;
}

// The same, of a secret that the process still needs. A kernel without memfd_secret shows locked memory to
// root: there, and only there, it may stand in that, and in nothing else.
inline testing::AssertionResult none_in_sight(MemorySearch search) {
  static const bool hidden = *locked_memory::install_arena_only() == locked_memory::Kind::secretmem;
  if (!hidden) std::erase_if(search.found, [](const Residue& residue) { return residue.locked; });
  return none(search);
}

}  // namespace coprotect::harness
