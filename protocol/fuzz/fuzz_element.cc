// Decoders of group elements and scalars. The first byte selects the suite, the rest is the encoding.

#include <cstddef>
#include <cstdint>

#include "protocol/group/group.h"

using namespace coprotect;
using namespace coprotect::protocol;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Group& group = group_of(kAllSuites[data[0] % kAllSuites.size()]);
  const ByteView encoded(data + 1, size - 1);

  // An accepted element is canonical, a member, and usable.
  if (const auto element = group.parse(encoded)) {
    const Bytes again = element->encode();
    invariant(!element->is_identity() &&
              std::equal(again.begin(), again.end(), encoded.begin(), encoded.end()));
    const Element square = group.multiply(*element, *element);
    invariant(!square.is_identity() && group.parse(square.encode()));
    invariant(group.multiply(*element, group.invert(*element)).is_identity());
  }
  if (const auto scalar = Scalar::parse(group.scalars(), encoded)) {
    invariant(equal_in_constant_time(scalar->bytes().reveal(), encoded));
    invariant((*scalar - *scalar).is_zero());
    invariant(scalar->is_zero() || *scalar * scalar->inverse() == Scalar::from_u64(group.scalars(), 1));
  }
  // Any bytes hash and reduce to a valid value.
  if (const auto hashed = group.hash_to_element(encoded, "CPV1-FUZZ"))
    invariant(bool{group.parse(hashed->encode())});
  invariant(bool{Scalar::parse(group.scalars(), Scalar::reduce(group.scalars(), encoded).bytes().reveal())});
  return 0;
}
