#include "protocol/base/registers.h"

namespace coprotect {

// Not known how.
void wipe_vector_registers() noexcept {}

}  // namespace coprotect
