#include "protocol/base/registers.h"

namespace coprotect {

// Not implemented for this processor.
void wipe_vector_registers() noexcept {}

}  // namespace coprotect
