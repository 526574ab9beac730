// Peers' public values as programs pass them on from certificates and messages. The first byte selects the
// suite, the rest is the value.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "client/derivation.h"
#include "protocol/crypto/p256.h"

using namespace coprotect;
using namespace coprotect::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Group& group = group_of(kAllSuites[data[0] % kAllSuites.size()]);
  const ByteView value(data + 1, size - 1);
  const auto peer = client::parse_peer(group, value);
  if (!peer) return 0;
  // An accepted value is a group member, and has a length that its standard allows.
  const Bytes encoded = peer->encode();
  invariant(!peer->is_identity() && bool{group.parse(encoded)});
  invariant(group.suite() == SuiteId::p256 ? p256::parse_point(value).has_value()
                                           : std::equal(value.rbegin(), value.rend(), encoded.rbegin()));
  return 0;
}
