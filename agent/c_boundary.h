#pragma once

#include <utility>

namespace coprotect::agent {

// Runs f and returns what it returns; returns on_throw if anything is thrown. Wraps the body of every
// function that C code calls, because an exception must not leave one.
template <typename F, typename R = decltype(std::declval<F>()())>
R at_c_boundary(R on_throw, F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    return on_throw;
  }
}

}  // namespace coprotect::agent
