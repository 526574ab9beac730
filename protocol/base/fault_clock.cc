// For a twin: its clock is ahead of the system's by the number of seconds in the file COPROTECT_CLOCK, a
// 64-bit number in machine byte order. A write to the file sets the clock.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

using Seconds = std::atomic<std::int64_t>;

const Seconds* shared_seconds() {
  static const Seconds none = 0;
  const char* const path = std::getenv("COPROTECT_CLOCK");
  if (path == nullptr) return &none;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  void* const memory = mmap(nullptr, sizeof(Seconds), PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) std::abort();
  close(fd);
  return static_cast<const Seconds*>(memory);
}

std::int64_t seconds_ahead() {
  static const Seconds* const seconds = shared_seconds();
  return *seconds;
}

// Opened before the sandbox closes.
const auto at_start = seconds_ahead();

}  // namespace

// Libraries use these too.
#pragma GCC visibility push(default)
extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const auto real = reinterpret_cast<int (*)(clockid_t, timespec*)>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += seconds_ahead();
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(timeval* out, void*) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *out = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

}  // extern "C"
#pragma GCC visibility pop
