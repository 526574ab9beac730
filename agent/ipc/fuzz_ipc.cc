// Every decoder of the channels between the custodian and its front and relay, over bytes that any of them
// might send when it was taken over.

#include <algorithm>
#include <cstdint>

#include "agent/ipc/messages.h"

namespace {

using namespace coprotect;

// What parses is canonical: it encodes to the same bytes.
template <typename Message>
void round_trip(ByteView frame) {
  const auto parsed = Message::parse(frame);
  if (parsed) invariant(std::ranges::equal(parsed->encode(), frame));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView frame(data, size);
  round_trip<agent::ipc::Call>(frame);
  round_trip<agent::ipc::Reply>(frame);
  round_trip<agent::ipc::Trust>(frame);
  round_trip<agent::ipc::Ready>(frame);
  round_trip<agent::ipc::Forward>(frame);
  round_trip<agent::ipc::Forwarded>(frame);
  return 0;
}
