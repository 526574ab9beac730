#pragma once

#include "protocol/base/random.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// Random bytes that stay secret if the generator repeats itself, as it does in a virtual machine that was put
// back to a snapshot (SPEC.md §3.3). They are a stream under a key that is made of 32 fresh bytes, of a
// secret that the caller has anyway, and of what the bytes are for. The same three give the same bytes; with
// the same fresh bytes and secret, another purpose gives unrelated ones.
class HedgedRandom final : public Random {
 public:
  // `purpose` names what the bytes are for, down to the message that they make.
  HedgedRandom(Random& fresh, const Secret& secret, ByteView purpose);

  void fill(std::span<std::uint8_t> out) override;

 private:
  Secret key_;
  Secret block_;
  std::size_t used_;  // of the block
  std::uint64_t next_block_ = 0;
};

}  // namespace coprotect::protocol
