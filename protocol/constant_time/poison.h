#pragma once

#include <valgrind/memcheck.h>

#include "protocol/base/declassify.h"
#include "protocol/base/random.h"
#include "protocol/base/secret.h"
#include "protocol/group/group.h"

// memcheck treats poisoned bytes as undefined, and reports every branch and every address that depends on
// them (the method of libsecp256k1's valgrind_ctime_test, and of A. Langley's ctgrind before it).
namespace coprotect::constant_time {

inline void poison(ByteView bytes) {
  VALGRIND_MAKE_MEM_UNDEFINED(bytes.data(), bytes.size());
}

// A Random whose output is poisoned.
class PoisonedRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    system_random().fill(out);
    poison(out);
  }
};

inline PoisonedRandom& poisoned_random() {
  static PoisonedRandom random;
  return random;
}

inline Secret secret_bytes(std::size_t size) {
  Secret bytes(size);
  poisoned_random().fill(bytes.fill());
  return bytes;
}

inline protocol::Scalar secret_scalar(const protocol::Group& group) {
  return protocol::Scalar::random(group.scalars(), poisoned_random());
}

// The element as a party that received it parses it.
inline protocol::Element published(const protocol::Element& element) {
  const Bytes encoded = element.encode();
  declassify(encoded);
  return *element.group().parse(encoded);
}

}  // namespace coprotect::constant_time
