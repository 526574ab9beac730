#pragma once

namespace coprotect {

// A point at which a test may kill the process: before and after each durable write, rename and send of a
// ceremony. Programs link fault_none.cc, where this does nothing. Their twins for the kill tests link
// fault_counted.cc. It reads COPROTECT_FAULT_AT (die with SIGKILL at the N-th point passed, or at the first
// point with a given name) and COPROTECT_FAULT_LOG (a file to which each point's name is appended as a line).
void fault_point(const char* name) noexcept;

}  // namespace coprotect
