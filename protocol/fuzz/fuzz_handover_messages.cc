// Messages between tool and agents during a handover. The first byte selects the message. Accepted input
// encodes to the same bytes.

#include "protocol/fuzz/read_back.h"
#include "protocol/message/handover.h"

using namespace coprotect;
using namespace coprotect::protocol;
using fuzz::read;
using fuzz::read_with_mac;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  switch (data[0] % 14) {
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
    case 10:
      read<Announcement>(input);
      break;
    case 11:
      read<Consent>(input);
      break;
    case 12:
      read<PendingPlan>(input);
      break;
    case 13:
      read<OperatorApproval>(input);
      break;
  }
  return 0;
}
