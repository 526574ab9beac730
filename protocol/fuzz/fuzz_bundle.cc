// Parameters and bundles: accepted input is in canonical form, and a changed bundle is rejected or describes
// another key.

#include "protocol/dkg/test_ceremony.h"
#include "protocol/fuzz/patched.h"

using namespace coprotect;
using namespace coprotect::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bundle good = test::TestCeremony(SuiteId::p256).run().bundle;
  const ByteView input(data, size);
  for (const Bytes& encoded : {Bytes(data, data + size), fuzz::patched(good.parameters().encoded(), input)}) {
    const auto parameters = Parameters::parse(encoded);
    invariant(!parameters || parameters->encoded() == encoded);
  }
  for (const Bytes& encoded : {Bytes(data, data + size), fuzz::patched(good.encoded(), input)}) {
    const auto bundle = Bundle::parse(encoded);
    if (!bundle) continue;
    invariant(bundle->encoded() == encoded);
    invariant(encoded == good.encoded() || bundle->key_id() != good.key_id());
  }
  return 0;
}
