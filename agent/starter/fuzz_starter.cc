// Fuzzes what coprotect-starter and the custodian read from each other, with bytes that a compromised one
// might send.

#include <algorithm>
#include <cstdint>

#include "agent/starter/messages.h"
#include "protocol/fuzz/read_back.h"

using namespace coprotect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using protocol::fuzz::read;
  const ByteView frame(data, size);
  read<agent::starter::Order>(frame);
  constexpr std::size_t kSize = agent::starter::kAnswerSize;
  if (size < kSize) return 0;
  const auto answer = agent::starter::Answer::parse(frame.first<kSize>());
  if (answer) invariant(std::ranges::equal(answer->encode(), frame.first<kSize>()));
  return 0;
}
