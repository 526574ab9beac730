// The main() of every unit test. Tests run on the locked arena, as the programs do.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>

#include "protocol/base/arena.h"

namespace {

// With COPROTECT_SLOW_TESTS_IN=N, one N-th of the slow suite runs each day, another one every day. Under the
// sanitizers the slow tests together take as long as all others.
void leave_out_slow_tests_of_other_days() {
  const char* const given = std::getenv("COPROTECT_SLOW_TESTS_IN");
  const unsigned long parts = given == nullptr ? 1 : std::max(1ul, std::strtoul(given, nullptr, 10));
  constexpr std::time_t kDay = 86'400;
  std::size_t number = static_cast<std::size_t>(std::time(nullptr) / kDay);
  std::string& filter = testing::FLAGS_gtest_filter;
  bool excludes = filter.find('-') != std::string::npos;
  const auto& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const std::string name = suite.GetTestInfo(j)->name();
      if (name.find("ffdhe") == std::string::npos || number++ % parts == 0) continue;
      filter += (excludes ? ":" : "-") + std::string(suite.name()) + "." + name;
      excludes = true;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto installed = coprotect::locked_memory::install();
  if (!installed) {
    std::cerr << installed.error().message() << "\n";
    return 1;
  }
  testing::InitGoogleTest(&argc, argv);
  // A forked child has no arena, so each death test runs in a new process.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  leave_out_slow_tests_of_other_days();
  return RUN_ALL_TESTS();
}
