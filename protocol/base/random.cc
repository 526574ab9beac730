#include "protocol/base/random.h"

#include <openssl/rand.h>

#include "protocol/base/result.h"

namespace coprotect {
namespace {

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    invariant(RAND_priv_bytes(out.data(), static_cast<int>(out.size())) == 1);
  }
};

}  // namespace

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace coprotect
