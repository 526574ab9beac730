// A connection's requests in arbitrary parts: whether they are refused must not depend on how the bytes are
// split.

#include "agent/front/http/message_check.h"
#include "protocol/base/result.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coprotect;
  const ByteView bytes(data, size);
  agent::front::MessageCheck whole;
  agent::front::MessageCheck parts;
  const std::size_t passed = whole.pass(bytes);
  std::size_t passed_in_parts = 0;
  for (std::size_t i = 0; i < size; ++i) passed_in_parts += parts.pass(bytes.subspan(i, 1));
  invariant(whole.fault() == parts.fault() && whole.heads() == parts.heads());
  invariant(whole.reason() == parts.reason());
  invariant(passed <= passed_in_parts && passed_in_parts <= size);
  invariant((passed == size) == (whole.fault() == agent::front::MessageCheck::Fault::none) || size == 0);
  return 0;
}
