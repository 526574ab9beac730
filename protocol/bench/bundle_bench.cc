// The cost of reading a bundle with handovers, as a multiple of reading the key generation alone. Clients and
// agents do that at every start.

#include <iostream>
#include <string>

#include "protocol/base/arena.h"
#include "protocol/bench/in_turns.h"
#include "protocol/handover/test_handover.h"

namespace {

using namespace coprotect;
using namespace coprotect::protocol;

// A 2-of-3 key, refreshed `count` times.
void versions(benchmark::State& state, SuiteId suite, int count) {
  auto key = test::TestKey::generate(suite);
  const Bytes generation = key.bundle.encoded();
  for (int i = 0; i < count; ++i) test::TestHandover(key, test::default_layout(), {1, 2}).run();
  const Bytes chain = key.bundle.encoded();
  bench::compare(
      state, [&] { invariant(static_cast<bool>(Bundle::parse(chain))); },
      [&] { invariant(static_cast<bool>(Bundle::parse(generation))); });
  state.counters["bytes"] = static_cast<double>(chain.size());
}

}  // namespace

int main(int argc, char** argv) {
  const auto installed = locked_memory::install();  // as the programs do
  if (!installed) {
    std::cerr << installed.error().message() << "\n";
    return 1;
  }
  for (const SuiteId suite : {SuiteId::p256, SuiteId::ffdhe3072}) {
    for (const int count : {1, 12}) {
      const std::string name =
          "bundle_versions/" + std::string(suite_name(suite)) + "/" + std::to_string(count);
      benchmark::RegisterBenchmark(name.c_str(), versions, suite, count)
          ->UseManualTime()
          ->MinWarmUpTime(0.1)
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
