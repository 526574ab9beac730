#include "protocol/base/dead_stack.h"

#include <openssl/crypto.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/base/registers.h"

namespace coprotect {

// Not inlined: in its caller's frame the array would be above the stack to wipe.
[[gnu::noinline]] void wipe_dead_stack() noexcept {
  constexpr std::size_t kDepth = std::size_t{64} << 10;
  std::array<std::uint8_t, kDepth> dead;  // NOLINT(cppcoreguidelines-pro-type-member-init): wiped at once
  OPENSSL_cleanse(dead.data(), dead.size());
  wipe_vector_registers();
}

}  // namespace coprotect
