// The main() of every unit test: the tests run on the locked arena, as the programs do.

#include <gtest/gtest.h>

#include <iostream>

#include "protocol/base/arena.h"

int main(int argc, char** argv) {
  const auto installed = coprotect::locked_memory::install();
  if (!installed) {
    std::cerr << installed.error().message() << "\n";
    return 1;
  }
  testing::InitGoogleTest(&argc, argv);
  // A forked child has no arena, so a death test runs in a new process.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  return RUN_ALL_TESTS();
}
