#include "protocol/base/arena.h"

#include <fcntl.h>
#include <gmp.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define COPROTECT_FINDS_LEAKS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define COPROTECT_FINDS_LEAKS
#endif
#ifdef COPROTECT_FINDS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

namespace coprotect::locked_memory {
namespace {

// Blocks have 64, 96, 128, 192, 256, … bytes, header included. A released block goes to the free list of its
// size. Segments are never returned to the system.
constexpr std::size_t kHeader = 16;
constexpr std::size_t kSmallest = 64;
constexpr std::size_t kClasses = 40;
constexpr std::size_t kSegment = std::size_t{1} << 20;
constexpr std::size_t kMaxSegments = 256;

struct Header {
  std::uint32_t size_class;
  std::uint32_t in_use;  // kInUse or kFree: catches a double release
  Header* next_free;
};
static_assert(sizeof(Header) == kHeader);
constexpr std::uint32_t kInUse = 0x5ec2e701;
constexpr std::uint32_t kFree = 0xf2eef2ee;

constexpr std::size_t class_size(std::size_t c) {
  return (kSmallest << (c / 2)) + (c % 2) * (kSmallest << (c / 2)) / 2;
}

std::size_t class_for(std::size_t size) {
  std::size_t c = 0;
  while (c < kClasses && class_size(c) < size) ++c;
  return c;
}

struct Segment {
  std::uint8_t* begin;
  std::uint8_t* end;
};

struct Arena {
  std::mutex mutex;
  std::array<Header*, kClasses> free_blocks{};
  std::array<Segment, kMaxSegments> segments{};
  std::atomic<std::size_t> segment_count = 0;  // increases after the segment is stored
  std::uint8_t* next = nullptr;                // the unused rest of the newest segment
  std::uint8_t* end = nullptr;
  std::size_t bytes_in_use = 0;
  Kind kind = Kind::secretmem;
};
constinit Arena arena;  // never destroyed: libraries release memory after main()

bool map_secretmem(std::uint8_t* at, std::size_t size) {
  const int fd = static_cast<int>(syscall(SYS_memfd_secret, O_CLOEXEC));
  if (fd < 0) return false;
  const bool ok = ftruncate(fd, static_cast<off_t>(size)) == 0 &&
                  mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at &&
                  madvise(at, size, MADV_DONTFORK) == 0;
  close(fd);
  return ok;
}

bool map_mlocked(std::uint8_t* at, std::size_t size) {
  return mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at &&
         mlock(at, size) == 0 && madvise(at, size, MADV_DONTDUMP) == 0 &&
         madvise(at, size, MADV_WIPEONFORK) == 0;
}

// Maps and locks a segment between two guard pages, and makes it the newest.
bool add_segment(std::size_t block) {
  if (arena.segment_count == kMaxSegments) return false;
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t size = (std::max(kSegment, block) + page - 1) / page * page;
  void* const reserved = mmap(nullptr, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) return false;
  std::uint8_t* const begin = static_cast<std::uint8_t*>(reserved) + page;
  if (arena.segment_count == 0) arena.kind = map_secretmem(begin, size) ? Kind::secretmem : Kind::mlocked;
  const bool secretmem = arena.kind == Kind::secretmem;
  // The line above has mapped the first secretmem segment to find out whether secretmem is available.
  const bool mapped =
      secretmem ? (arena.segment_count == 0 || map_secretmem(begin, size)) : map_mlocked(begin, size);
  if (!mapped) {
    munmap(reserved, size + 2 * page);
    return false;
  }
#ifdef COPROTECT_FINDS_LEAKS
  __lsan_register_root_region(begin, size);  // it contains pointers to OpenSSL's objects
#endif
  arena.segments[arena.segment_count] = {begin, begin + size};
  ++arena.segment_count;
  arena.next = begin;
  arena.end = begin + size;
  return true;
}

Header* header_of(void* p) {
  return reinterpret_cast<Header*>(static_cast<std::uint8_t*>(p) - kHeader);
}

void* openssl_allocate(std::size_t size, const char*, int) {
  return allocate(size);
}
void* openssl_reallocate(void* p, std::size_t size, const char*, int) {
  return reallocate(p, size);
}
void openssl_release(void* p, const char*, int) {
  release(p);
}

thread_local unsigned key_scopes = 0;

void* scoped_allocate(std::size_t size, const char*, int) {
  return key_scopes > 0 ? allocate(size) : std::malloc(size);
}
// A block in the arena stays there when it is reallocated, in or out of a KeyScope.
void* scoped_reallocate(void* p, std::size_t size, const char*, int) {
  if (p == nullptr) return scoped_allocate(size, nullptr, 0);
  if (contains(p)) return reallocate(p, size);
  if (key_scopes == 0) return std::realloc(p, size);
  void* const moved = allocate(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, p, std::min(size, malloc_usable_size(p)));
  std::free(p);
  return moved;
}
void scoped_release(void* p, const char*, int) {
  if (contains(p))
    release(p);
  else
    std::free(p);
}

Result<Kind> with_openssl(Result<Kind> installed, CRYPTO_malloc_fn allocates, CRYPTO_realloc_fn reallocates,
                          CRYPTO_free_fn releases) {
  if (installed && CRYPTO_set_mem_functions(allocates, reallocates, releases) != 1)
    return Error(Code::internal, "OpenSSL allocated memory before the locked arena was installed");
  return installed;
}

void* gmp_allocate(std::size_t size) {
  void* const p = allocate(size);
  invariant(p != nullptr);
  return p;
}
void* gmp_reallocate(void* p, std::size_t, std::size_t size) {
  void* const q = reallocate(p, size);
  invariant(q != nullptr);
  return q;
}
void gmp_release(void* p, std::size_t) {
  release(p);
}

}  // namespace

void* allocate(std::size_t size) noexcept {
  const std::size_t c = class_for(size + kHeader);
  if (size > SIZE_MAX - kHeader || c == kClasses) return nullptr;
  const std::lock_guard lock(arena.mutex);
  Header* block = arena.free_blocks[c];
  if (block != nullptr) {
    arena.free_blocks[c] = block->next_free;
  } else {
    if (static_cast<std::size_t>(arena.end - arena.next) < class_size(c) && !add_segment(class_size(c)))
      return nullptr;
    block = reinterpret_cast<Header*>(arena.next);
    arena.next += class_size(c);
  }
  *block = {static_cast<std::uint32_t>(c), kInUse, nullptr};
  arena.bytes_in_use += class_size(c);
  return reinterpret_cast<std::uint8_t*>(block) + kHeader;
}

void* reallocate(void* p, std::size_t size) noexcept {
  if (p == nullptr) return allocate(size);
  const std::size_t room = class_size(header_of(p)->size_class) - kHeader;
  if (size <= room && size > room / 4) return p;
  void* const moved = allocate(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, p, std::min(size, room));
  release(p);
  return moved;
}

void release(void* p) noexcept {
  if (p == nullptr) return;
  Header* const block = header_of(p);
  invariant(block->in_use == kInUse);
  const std::size_t size = class_size(block->size_class);
  OPENSSL_cleanse(p, size - kHeader);
  const std::lock_guard lock(arena.mutex);
  block->in_use = kFree;
  block->next_free = arena.free_blocks[block->size_class];
  arena.free_blocks[block->size_class] = block;
  arena.bytes_in_use -= size;
}

std::size_t in_use() noexcept {
  const std::lock_guard lock(arena.mutex);
  return arena.bytes_in_use;
}

// Takes no lock, because OpenSSL's allocator may call this for each block.
bool contains(const void* p) noexcept {
  const auto* const byte = static_cast<const std::uint8_t*>(p);
  const std::size_t count = arena.segment_count;
  return std::any_of(arena.segments.begin(), arena.segments.begin() + static_cast<std::ptrdiff_t>(count),
                     [byte](const Segment& s) { return s.begin <= byte && byte < s.end; });
}

Result<Kind> install_arena_only() {
  rlimit lock_limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &lock_limit) == 0 && lock_limit.rlim_cur < lock_limit.rlim_max) {
    lock_limit.rlim_cur = lock_limit.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &lock_limit);  // on failure, locking memory fails below
  }
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
    return Error(Code::internal, "cannot turn core dumps off");
  void* const probe = allocate(1);
  if (probe == nullptr)
    return Error(Code::unavailable,
                 "cannot lock memory: raise the limit of locked memory (ulimit -l, LimitMEMLOCK=)");
  release(probe);
  return arena.kind;
}

Result<Kind> install() {
  auto kind = with_openssl(install_arena_only(), openssl_allocate, openssl_reallocate, openssl_release);
  if (kind) mp_set_memory_functions(gmp_allocate, gmp_reallocate, gmp_release);
  return kind;
}

Result<Kind> install_for_keys() {
  return with_openssl(install_arena_only(), scoped_allocate, scoped_reallocate, scoped_release);
}

KeyScope::KeyScope() noexcept {
  ++key_scopes;
}
KeyScope::~KeyScope() {
  --key_scopes;
}

}  // namespace coprotect::locked_memory
