#include "protocol/crypto/hedged_random.h"

#include <algorithm>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kHedgeSize = 32;

Secret hedge_key(Random& fresh, const Secret& secret, ByteView purpose) {
  Secret salt(kHedgeSize);
  fresh.fill(salt.fill());
  return hkdf_sha256(salt.reveal(), secret.reveal(), purpose, kHedgeSize);
}

}  // namespace

HedgedRandom::HedgedRandom(Random& fresh, const Secret& secret, ByteView purpose)
    : key_(hedge_key(fresh, secret, purpose)), block_(kHedgeSize), used_(kHedgeSize) {}

void HedgedRandom::fill(std::span<std::uint8_t> out) {
  for (std::size_t filled = 0; filled < out.size();) {
    if (used_ == block_.size()) {
      Writer number;
      number.u64(next_block_++);
      block_ = hkdf_expand_sha256(key_.reveal(), number.view(), kHedgeSize);
      used_ = 0;
    }
    const std::size_t taken = std::min(out.size() - filled, block_.size() - used_);
    std::ranges::copy(block_.reveal().subspan(used_, taken),
                      out.begin() + static_cast<std::ptrdiff_t>(filled));
    used_ += taken;
    filled += taken;
  }
}

}  // namespace coprotect::protocol
