#pragma once

#include <utility>

namespace coprotect::agent {

// Runs f and returns its result, or on_throw if f throws. Wraps the body of every function that C code calls,
// because no exception may propagate into C.
template <typename F, typename R = decltype(std::declval<F>()())>
R at_c_boundary(R on_throw, F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    return on_throw;
  }
}

}  // namespace coprotect::agent
