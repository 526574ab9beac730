#include <algorithm>
#include <cstdlib>

#include "protocol/recovery/blob.h"

// An accepted blob keeps its original bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const coprotect::ByteView bytes(data, size);
  const auto blob = coprotect::protocol::RecoveryBlob::parse(bytes);
  if (blob && !std::equal(bytes.begin(), bytes.end(), blob->encoded().begin(), blob->encoded().end()))
    std::abort();
  return 0;
}
