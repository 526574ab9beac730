#pragma once

#include <cstddef>

#include "protocol/base/result.h"

namespace coprotect {

// The process's locked memory. Its pages are never swapped, are in no core dump and are not inherited by a
// child. They come from memfd_secret(2), so /proc and a debugger cannot read them. Where the kernel lacks
// memfd_secret, they are ordinary pages with mlock, MADV_DONTDUMP and MADV_WIPEONFORK. Guard pages surround
// each segment. A released block is wiped. Safe to use from several threads.
namespace locked_memory {

enum class Kind { secretmem, mlocked };

// Prepares the process for secrets. Every program calls it first in main(). It locks the first segment, makes
// OpenSSL and GMP allocate from this arena (both leave secrets in freed memory), turns core dumps off and
// makes the process undumpable. Fails if memory cannot be locked or OpenSSL has already allocated.
Result<Kind> install();

// Like install(), but keeps OpenSSL's and GMP's own allocators. For programs that load foreign code.
Result<Kind> install_arena_only();

// Like install(), but OpenSSL uses the arena only within a KeyScope of the calling thread, and GMP does not
// use it. For programs in which OpenSSL keeps one key and handles untrusted bytes, for which there is too
// little lockable memory. Such programs link coprotect_wiped_heap, which wipes what OpenSSL computes with the
// key.
Result<Kind> install_for_keys();

// While one exists, the thread's OpenSSL reads or makes a key.
class KeyScope {
 public:
  KeyScope() noexcept;
  ~KeyScope();
  KeyScope(const KeyScope&) = delete;
  KeyScope& operator=(const KeyScope&) = delete;
};

// At least `size` zeroed bytes, aligned to 16. Null if no more memory can be locked.
void* allocate(std::size_t size) noexcept;
// Like realloc. The old block is wiped.
void* reallocate(void* p, std::size_t size) noexcept;
// Wipes and releases. Null is allowed.
void release(void* p) noexcept;

// Bytes allocated and not yet released, for tests and a daemon's metrics.
std::size_t in_use() noexcept;
// Whether p points into a locked segment.
bool contains(const void* p) noexcept;

}  // namespace locked_memory
}  // namespace coprotect
