// A recovery part: a changed one is rejected, and accepted input encodes to the same bytes.

#include "protocol/crypto/hash.h"
#include "protocol/fuzz/patched.h"
#include "protocol/recovery/recovery_part.h"
#include "protocol/threshold/shamir.h"

using namespace coprotect;
using namespace coprotect::protocol;

namespace {

struct Fixture {
  explicit Fixture(SuiteId suite)
      : polynomial(Polynomial::random(group_of(suite), 2, system_random())),
        recovery(HpkePrivateKey::generate(system_random())),
        statement{.sid = sha256(bytes_of("sid")),
                  .dealer = 1,
                  .index = 3,
                  .recovery_key = recovery.public_key(),
                  .commitments = polynomial.commitments()},
        encoded(RecoveryPart::make(statement, polynomial.at(3), system_random())->encoded()) {}

  void read(ByteView input) const {
    const auto part = RecoveryPart::parse(statement.group(), input);
    if (!part) return;
    invariant(part->encoded() == Bytes(input.begin(), input.end()));
    invariant(!part->check(statement, system_random()) || part->encoded() == encoded);
    const auto value = part->open(statement, recovery);
    invariant(!value || *value == polynomial.at(3));
  }

  Polynomial polynomial;
  HpkePrivateKey recovery;
  RecoveryStatement statement;
  Bytes encoded;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture curve(SuiteId::p256);
  static const Fixture modp(SuiteId::ffdhe2048);
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  const Fixture& fixture = data[0] % 16 == 1 ? modp : curve;  // one MODP check takes as long as ten
  fixture.read(data[0] % 2 == 0 ? fuzz::patched(fixture.encoded, input) : Bytes(input.begin(), input.end()));
  return 0;
}
