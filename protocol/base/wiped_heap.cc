// Programs that link this wipe what they give back to the heap, whichever library had it. For those that
// hand a key to libraries which take memory from malloc() and leave PEM, DER and numbers in it: the agent's
// front (GnuTLS) and relay (OpenSSL, for strangers' bytes). Programs whose OpenSSL and GMP allocate from the
// arena need it less. glibc lets a program replace its allocator, and keeps its own under these names ("The
// GNU C Library", Replacing malloc).

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

extern "C" {

void __libc_free(void* memory);         // NOLINT(bugprone-reserved-identifier): glibc's name
void* __libc_malloc(std::size_t size);  // NOLINT(bugprone-reserved-identifier)

[[gnu::visibility("default")]] void free(void* memory) noexcept {
  if (memory == nullptr) return;
  explicit_bzero(memory, malloc_usable_size(memory));
  __libc_free(memory);
}

// glibc's own would give back a block that it moves, or the end of one that it cuts, as it is.
[[gnu::visibility("default")]] void* realloc(void* memory, std::size_t size) noexcept {
  if (memory == nullptr) return __libc_malloc(size);
  if (size == 0) {
    free(memory);
    return nullptr;
  }
  const std::size_t room = malloc_usable_size(memory);
  if (size <= room && size > room / 2) return memory;
  void* const moved = __libc_malloc(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, memory, std::min(room, size));
  free(memory);
  return moved;
}
}
