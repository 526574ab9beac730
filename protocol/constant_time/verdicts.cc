// The verdict of a constant-time comparison is not secret: the caller accepts or rejects by it, as do
// equal_in_constant_time() and OpenSSL's tag check. Linked in place of CRYPTO_memcmp (ld --wrap).

#include <cstddef>

#include "protocol/base/declassify.h"

extern "C" {
int __real_CRYPTO_memcmp(const void* a, const void* b, std::size_t size);
int __wrap_CRYPTO_memcmp(const void* a, const void* b, std::size_t size);

int __wrap_CRYPTO_memcmp(const void* a, const void* b, std::size_t size) {
  return coprotect::declassified(static_cast<unsigned>(__real_CRYPTO_memcmp(a, b, size)) == 0) ? 0 : 1;
}
}
