// Programs that link this wipe heap memory when any library frees it. It is for programs that give a key to
// libraries which use malloc() and leave PEM, DER and numbers in freed memory: the agent's front (GnuTLS) and
// relay (OpenSSL, for untrusted bytes). Programs whose OpenSSL and GMP allocate from the arena need it less.
// glibc lets a program replace its allocator, and provides its own under these names ("The GNU C Library",
// Replacing malloc).

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

// glibc's own would free a moved block, or the end of a shortened one, without wiping it.
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
