// An organisation certificate as it is, and with a valid signature in place of its end.

#include "protocol/base/random.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/organisation.h"

using namespace coprotect;
using namespace coprotect::protocol;

namespace {

void read(ByteView input) {
  const auto certificate = OrganisationCertificate::parse(input);
  invariant(!certificate || certificate->encoded() == Bytes(input.begin(), input.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const SigningKey key = SigningKey::generate(system_random());
  read({data, size});
  // Both keys are before the signature. The fuzzer need not guess the signing key.
  constexpr std::size_t kKeys = 2 * std::tuple_size_v<PublicKeyBytes>;
  if (size < kKeys) return 0;
  Bytes statement(data, data + size);
  std::ranges::copy(key.public_key().bytes(), statement.end() - kKeys);
  const Signature signature = key.sign(tagged_hash("CPV1-ORGANISATION", {sha256(statement)}));
  statement.insert(statement.end(), signature.begin(), signature.end());
  read(statement);
  return 0;
}
