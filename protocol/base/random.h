#pragma once

#include <cstdint>
#include <span>

namespace coprotect {

// A source of unpredictable bytes. Everything that draws randomness takes one, so that published vectors can
// be reproduced and a stuck generator can be tried.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;
};

// OpenSSL's private generator. Aborts the process if it fails: nothing may go on without randomness.
Random& system_random();

}  // namespace coprotect
