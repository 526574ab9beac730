#pragma once

#include <benchmark/benchmark.h>

#include <ctime>
#include <functional>

#include "protocol/base/result.h"

namespace coprotect::bench {

// CPU seconds of this thread, so that other programs do not count.
inline double processor_time() {
  timespec t{};
  invariant(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Runs work and reference in turns, so that a busy machine slows both. The counter `ratio` and the time shown
// are per item: the reference runs once for each item of the work.
inline void compare(benchmark::State& state, const std::function<void()>& work,
                    const std::function<void()>& reference, std::size_t items = 1) {
  double in_work = 0, in_reference = 0;
  for ([[maybe_unused]] const auto _ : state) {
    const auto start = processor_time();
    work();
    const auto middle = processor_time();
    for (std::size_t i = 0; i < items; ++i) reference();
    in_work += middle - start;
    in_reference += processor_time() - middle;
    state.SetIterationTime((middle - start) / static_cast<double>(items));
  }
  state.counters["ratio"] = in_work / in_reference;
}

}  // namespace coprotect::bench
