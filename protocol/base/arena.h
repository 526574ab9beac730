#pragma once

#include <cstddef>

#include "protocol/base/result.h"

namespace coprotect {

// The process's locked memory: pages that are never swapped, never in a core dump, not inherited by a child,
// and, from memfd_secret(2), not readable through /proc or a debugger. Where the kernel lacks memfd_secret,
// ordinary pages with mlock, MADV_DONTDUMP and MADV_WIPEONFORK. Each segment stands between guard pages. A
// released block is wiped. Safe to use from several threads.
namespace locked_memory {

enum class Kind { secretmem, mlocked };

// Prepares the process for secrets. The first act of every program's main(): locks the first segment, sets
// the allocators of OpenSSL and GMP (both leave secrets in freed memory) to this arena, turns core dumps off
// and makes the process undumpable. Fails if memory cannot be locked or OpenSSL has allocated already.
Result<Kind> install();

// As install(), but keeps OpenSSL's and GMP's own allocators. For programs that load foreign code.
Result<Kind> install_arena_only();

// As install(), but OpenSSL allocates from the arena only what a thread asks of it within a KeyScope, and GMP
// nothing. For programs in which OpenSSL keeps one key, and handles strangers' bytes, for which there is not
// enough memory that can be locked. They link coprotect_wiped_heap, for what it computes with the key.
Result<Kind> install_for_keys();

// A part of a thread's life in which OpenSSL reads or makes a key.
class KeyScope {
 public:
  KeyScope() noexcept;
  ~KeyScope();
  KeyScope(const KeyScope&) = delete;
  KeyScope& operator=(const KeyScope&) = delete;
};

// At least `size` zeroed bytes, aligned to 16. Null if no more memory can be locked.
void* allocate(std::size_t size) noexcept;
// As realloc; the old block is wiped.
void* reallocate(void* p, std::size_t size) noexcept;
// Wipes and releases. Null is allowed.
void release(void* p) noexcept;

// Bytes handed out and not yet released, for tests and for a daemon's metrics.
std::size_t in_use() noexcept;
// Whether p points into a locked segment.
bool contains(const void* p) noexcept;

}  // namespace locked_memory
}  // namespace coprotect
