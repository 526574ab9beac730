#include <valgrind/memcheck.h>

#include "protocol/base/declassify.h"

namespace coprotect {

void declassify(ByteView bytes) noexcept {
  VALGRIND_MAKE_MEM_DEFINED(bytes.data(), bytes.size());
}

}  // namespace coprotect
