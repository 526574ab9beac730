#include <algorithm>
#include <cstdlib>

#include "protocol/recovery/kit.h"

// An accepted kit encodes to its original bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const coprotect::ByteView bytes(data, size);
  const auto kit = coprotect::protocol::RecoveryKit::parse(bytes);
  if (!kit) return 0;
  const coprotect::Bytes encoded = kit->encode();
  if (!std::equal(bytes.begin(), bytes.end(), encoded.begin(), encoded.end())) std::abort();
  return 0;
}
