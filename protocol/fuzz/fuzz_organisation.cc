// An organisation certificate as it came, and with a good signature in the place of what it ends with.

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
  // Both keys stand before the signature: the fuzzer need not guess the one that signs.
  constexpr std::size_t kKeys = 2 * std::tuple_size_v<PublicKeyBytes>;
  if (size < kKeys) return 0;
  Bytes statement(data, data + size);
  std::ranges::copy(key.public_key().bytes(), statement.end() - kKeys);
  const Signature signature = key.sign(tagged_hash("CPV1-ORGANISATION", {sha256(statement)}));
  statement.insert(statement.end(), signature.begin(), signature.end());
  read(statement);
  return 0;
}
