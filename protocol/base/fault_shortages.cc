// For a twin: while it is told to, every N-th call fails as if the system had no more to give.
// COPROTECT_FAIL_MEMORY, _THREADS, _WRITES and _SYNCS set N; writes and syncs are those of files only.
// SIGUSR2 starts and stops it.

#include <dlfcn.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> failing = false;

class Shortage {
 public:
  explicit Shortage(const char* variable) {
    const char* const text = std::getenv(variable);
    if (text != nullptr) every_ = std::strtoul(text, nullptr, 10);
  }

  bool strikes() { return failing && every_ != 0 && ++asked_ % every_ == 0; }
  bool strikes_file(int fd) {
    struct stat about {};
    return failing && every_ != 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && strikes();
  }

 private:
  unsigned long every_ = 0;
  std::atomic<unsigned long> asked_ = 0;
};

// Constructed at the first call, which may precede the static objects of this file.
Shortage& memory() {
  static Shortage shortage("COPROTECT_FAIL_MEMORY");
  return shortage;
}
Shortage& writes() {
  static Shortage shortage("COPROTECT_FAIL_WRITES");
  return shortage;
}
Shortage& syncs() {
  static Shortage shortage("COPROTECT_FAIL_SYNCS");
  return shortage;
}
Shortage& threads() {
  static Shortage shortage("COPROTECT_FAIL_THREADS");
  return shortage;
}

void toggle(int) {
  failing = !failing;
}

const auto listening = std::signal(SIGUSR2, toggle);

void* allocate(std::size_t size) {
  if (memory().strikes()) return nullptr;
  return std::malloc(size == 0 ? 1 : size);
}

// The function that this program's own one replaces.
template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

void* operator new(std::size_t size) {
  void* const memory = allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new[](std::size_t size) {
  return operator new(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

// Libraries use these too, e.g. SQLite for its writes.
#pragma GCC visibility push(default)
extern "C" {

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  static const auto real = next<decltype(pthread_create)>("pthread_create");
  return threads().strikes() ? EAGAIN : real(thread, attributes, run, argument);
}

ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = next<decltype(write)>("write");
  if (!writes().strikes_file(fd)) return real(fd, data, size);
  errno = ENOSPC;
  return -1;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static const auto real = next<decltype(pwrite64)>("pwrite64");
  if (!writes().strikes_file(fd)) return real(fd, data, size, offset);
  errno = ENOSPC;
  return -1;
}

int fsync(int fd) {
  static const auto real = next<decltype(fsync)>("fsync");
  if (!syncs().strikes_file(fd)) return real(fd);
  errno = EIO;
  return -1;
}

int fdatasync(int fd) {
  static const auto real = next<decltype(fdatasync)>("fdatasync");
  if (!syncs().strikes_file(fd)) return real(fd);
  errno = EIO;
  return -1;
}

}  // extern "C"
#pragma GCC visibility pop
