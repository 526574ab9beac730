#pragma once

namespace coprotect {

// Wipes what calls that have returned left on this thread's stack, 64 KiB deep, and in vector registers.
// Libraries keep secrets in local variables and do not wipe all of them: hash functions their input, elliptic
// curves coordinates. To be called where work on a secret is over, by a function that stands no deeper in the
// stack than that work.
void wipe_dead_stack() noexcept;

// The same at the end of a scope, however it is left.
struct WipesDeadStack {
  WipesDeadStack() = default;
  WipesDeadStack(const WipesDeadStack&) = delete;
  WipesDeadStack& operator=(const WipesDeadStack&) = delete;
  ~WipesDeadStack() { wipe_dead_stack(); }
};

}  // namespace coprotect
