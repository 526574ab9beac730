// Runs computations on poisoned secrets under valgrind (scripts/test ct). Exit status 0 if memcheck reported
// every control and nothing else. With names as arguments, runs only those cases.
//
// It cannot detect instructions whose own time depends on their operands (division), or code for other
// processors: OpenSSL and GMP select code by the features that valgrind emulates (AVX2, AES-NI, BMI2; not
// SHA-NI, AVX-512, ADX, which the real processor may have).

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "protocol/base/arena.h"
#include "protocol/constant_time/cases.h"
#include "protocol/constant_time/poison.h"

namespace coprotect::constant_time {
namespace {

unsigned errors_of(const Case& one) {
  const unsigned before = VALGRIND_COUNT_ERRORS;
  one.run();
  return VALGRIND_COUNT_ERRORS - before;
}

bool run_all(const std::vector<std::string_view>& names) {
  const auto wanted = [&names](const Case& one) {
    return names.empty() || std::find(names.begin(), names.end(), one.name) != names.end();
  };
  bool good = true;
  for (const Case& control : controls()) {
    if (!wanted(control)) continue;
    const bool reported = errors_of(control) > 0;
    std::printf("%s control %s\n", reported ? "reported     " : "NOT REPORTED ", control.name.c_str());
    good = good && reported;
  }
  for (const auto& part : {arithmetic_cases(), symmetric_cases(), threshold_cases(), recovery_cases()}) {
    for (const Case& one : part) {
      if (!wanted(one)) continue;
      VALGRIND_PRINTF("case %s\n", one.name.c_str());
      const unsigned errors = errors_of(one);
      std::printf("%s %s\n", errors == 0 ? "constant time" : "DEPENDS      ", one.name.c_str());
      std::fflush(stdout);
      good = good && errors == 0;
    }
  }
  return good;
}

}  // namespace
}  // namespace coprotect::constant_time

int main(int argc, char** argv) {
  if (RUNNING_ON_VALGRIND == 0) {
    std::fprintf(stderr, "constant_time: run it under valgrind: scripts/test ct\n");
    return 2;
  }
  // As the programs do, so that OpenSSL and GMP use the same kind of memory.
  if (!coprotect::locked_memory::install()) return 2;
  return coprotect::constant_time::run_all({argv + 1, argv + argc}) ? 0 : 1;
}
