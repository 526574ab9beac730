#pragma once

#include "protocol/base/random.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// Random bytes that stay secret even if the generator repeats itself, as it does in a virtual machine
// restored to a snapshot (SPEC.md §3.3). They are a key stream. Its key is derived from 32 fresh bytes, a
// secret that the caller already holds, and the purpose. The same three inputs give the same bytes. With the
// same fresh bytes and secret, another purpose gives unrelated bytes.
class HedgedRandom final : public Random {
 public:
  // `purpose` names the use of the bytes, down to the message that they produce.
  HedgedRandom(Random& fresh, const Secret& secret, ByteView purpose);

  void fill(std::span<std::uint8_t> out) override;

 private:
  Secret key_;
  Secret block_;
  std::size_t used_;  // bytes used of block_
  std::uint64_t next_block_ = 0;
};

}  // namespace coprotect::protocol
