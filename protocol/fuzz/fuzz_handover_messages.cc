// What tool and agents tell each other around a handover: the first byte chooses a message; what is read is
// written back as it was.

#include "protocol/message/handover.h"

using namespace coprotect;
using namespace coprotect::protocol;

namespace {

template <typename Message>
void read(ByteView input) {
  const auto message = Message::parse(input);
  invariant(!message || message->encode() == Bytes(input.begin(), input.end()));
}

// Messages with a MAC are written again with another, so that only what stands before it is compared.
template <typename Message>
void read_with_mac(ByteView input) {
  const auto message = Message::parse(input);
  if (!message) return;
  const Bytes again = message->encode(Secret(16));
  invariant(std::equal(input.begin(), input.end() - 32, again.begin(), again.end() - 32));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  switch (data[0] % 10) {
    case 0:
      read<Layout>(input);
      break;
    case 1:
      read<HandoverNotice>(input);
      break;
    case 2:
      read<HandoverOffer>(input);
      break;
    case 3:
      read<DealRequest>(input);
      break;
    case 4:
      read<PrepareRequest>(input);
      break;
    case 5:
      read<RetireRequest>(input);
      break;
    case 6:
      read<AbortRequest>(input);
      break;
    case 7:
      read_with_mac<JoinMessage>(input);
      break;
    case 8:
      read_with_mac<VoidMessage>(input);
      break;
    case 9:
      read<HandoverStatus>(input);
      break;
  }
  return 0;
}
