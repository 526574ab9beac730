// Derivations per second for clients that ask two agents in parallel: 1, 8 and 64 threads, each with its own
// persistent connections. Runs as the client of COPROTECT_CONFIG, with its key "derive":
//   . SYSTEM/env.sh && build/release/bin/derivation_bench

#include <benchmark/benchmark.h>

#include "client/derivation.h"
#include "protocol/base/arena.h"

namespace coprotect::client {
namespace {

Result<Derivation> open() {
  const auto config = read_config(default_config_file());
  if (!config) return config.error();
  return Derivation::open(*config, "derive", "benchmark");
}

void derive(benchmark::State& state) {
  auto key = open();
  if (!key) return state.SkipWithError(key.error().message().c_str());
  const Bytes peer = public_value(key->bundle());  // any member of the group
  for (auto _ : state) {
    const auto secret = key->shared_secret(peer);
    if (!secret) return state.SkipWithError(secret.error().message().c_str());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(derive)->Threads(1)->Threads(8)->Threads(64)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace coprotect::client

int main(int argc, char** argv) {
  if (!coprotect::locked_memory::install()) return 1;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
