// The verdict of a comparison in constant time is no secret: the caller accepts or refuses by it, as
// equal_in_constant_time() and OpenSSL's check of a tag do. Linked in place of CRYPTO_memcmp (ld --wrap).

#include <cstddef>

#include "protocol/base/declassify.h"

extern "C" {
int __real_CRYPTO_memcmp(const void* a, const void* b, std::size_t size);
int __wrap_CRYPTO_memcmp(const void* a, const void* b, std::size_t size);

int __wrap_CRYPTO_memcmp(const void* a, const void* b, std::size_t size) {
  return coprotect::declassified(static_cast<unsigned>(__real_CRYPTO_memcmp(a, b, size)) == 0) ? 0 : 1;
}
}
