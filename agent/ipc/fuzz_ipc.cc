// Fuzzes every decoder of the channels between the custodian and its front and relay, with bytes that a
// compromised process might send.

#include <algorithm>
#include <cstdint>

#include "agent/ipc/messages.h"
#include "protocol/fuzz/read_back.h"

using namespace coprotect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using protocol::fuzz::read;
  const ByteView frame(data, size);
  read<agent::ipc::Call>(frame);
  read<agent::ipc::Reply>(frame);
  read<agent::ipc::Trust>(frame);
  read<agent::ipc::Limits>(frame);
  read<agent::ipc::Ready>(frame);
  read<agent::ipc::GivenUp>(frame);
  read<agent::ipc::Usage>(frame);
  read<agent::ipc::Forward>(frame);
  read<agent::ipc::Forwarded>(frame);
  for (const auto kind : {agent::ipc::Kind::ping, agent::ipc::Kind::pong}) {
    const auto parsed = agent::ipc::Ping::parse(kind, frame);
    if (parsed) invariant(std::ranges::equal(parsed->encode(kind), frame));
  }
  return 0;
}
