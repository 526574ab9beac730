// Recovery parts: the cost of making one and of each agent's check, as multiples of raising an element to a
// secret exponent. Also their size.

#include <iostream>
#include <string>

#include "protocol/base/arena.h"
#include "protocol/bench/in_turns.h"
#include "protocol/crypto/hash.h"
#include "protocol/recovery/recovery_part.h"
#include "protocol/threshold/shamir.h"

namespace {

using namespace coprotect;
using namespace coprotect::protocol;

struct Dealt {
  explicit Dealt(SuiteId suite)
      : group(group_of(suite)),
        polynomial(Polynomial::random(group, 2, system_random())),
        statement{.sid = sha256(bytes_of("sid")),
                  .dealer = 1,
                  .index = 3,
                  .recovery_key = HpkePrivateKey::generate(system_random()).public_key(),
                  .commitments = polynomial.commitments()},
        value(polynomial.at(3)) {}
  RecoveryPart make() const { return *RecoveryPart::make(statement, value, system_random()); }
  void reference() const {
    benchmark::DoNotOptimize(group.power_secret(statement.commitments.front(), value));
  }

  const Group& group;
  Polynomial polynomial;
  RecoveryStatement statement;
  Scalar value;
};

void make(benchmark::State& state, SuiteId suite) {
  const Dealt dealt(suite);
  bench::compare(
      state, [&] { benchmark::DoNotOptimize(dealt.make()); }, [&] { dealt.reference(); });
  state.counters["bytes"] = static_cast<double>(dealt.make().encoded().size());
}

void check(benchmark::State& state, SuiteId suite) {
  const Dealt dealt(suite);
  const Bytes encoded = dealt.make().encoded();
  const auto work = [&] {
    invariant(static_cast<bool>(
        RecoveryPart::parse(dealt.group, encoded)->check(dealt.statement, system_random())));
  };
  bench::compare(state, work, [&] { dealt.reference(); });
}

// One power of the generator, the main operation for parts of a MODP suite.
void generator_power(benchmark::State& state, SuiteId suite) {
  const Dealt dealt(suite);
  bench::compare(
      state, [&] { benchmark::DoNotOptimize(dealt.group.generator_power_secret(dealt.value)); },
      [&] { dealt.reference(); });
}

}  // namespace

int main(int argc, char** argv) {
  const auto installed = locked_memory::install();  // as the programs do
  if (!installed) {
    std::cerr << installed.error().message() << "\n";
    return 1;
  }
  for (const SuiteId suite : {SuiteId::p256, SuiteId::ffdhe3072}) {
    const std::string name(suite_name(suite));
    for (auto* const row :
         {benchmark::RegisterBenchmark(("recovery_part_make/" + name).c_str(), make, suite),
          benchmark::RegisterBenchmark(("recovery_part_check/" + name).c_str(), check, suite),
          benchmark::RegisterBenchmark(("generator_power/" + name).c_str(), generator_power, suite)})
      row->UseManualTime()->MinWarmUpTime(0.1)->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
