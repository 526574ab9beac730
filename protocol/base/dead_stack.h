#pragma once

namespace coprotect {

// Wipes what returned calls left on this thread's stack, 64 KiB deep, and in vector registers. Libraries keep
// secrets in local variables and do not wipe all of them: hash functions leave their input, elliptic curves
// their coordinates. Call it after work on a secret, from a stack frame no deeper than that work's.
void wipe_dead_stack() noexcept;

// Does the same at the end of a scope, on every way out of it.
struct WipesDeadStack {
  WipesDeadStack() = default;
  WipesDeadStack(const WipesDeadStack&) = delete;
  WipesDeadStack& operator=(const WipesDeadStack&) = delete;
  ~WipesDeadStack() { wipe_dead_stack(); }
};

}  // namespace coprotect
