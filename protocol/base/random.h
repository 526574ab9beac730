#pragma once

#include <cstdint>
#include <span>

namespace coprotect {

// A source of unpredictable bytes. Code that needs randomness takes one as a parameter, so that tests can
// reproduce published vectors and try a stuck generator.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;
};

// OpenSSL's private generator. Aborts the process on failure: no code may continue without randomness.
Random& system_random();

}  // namespace coprotect
