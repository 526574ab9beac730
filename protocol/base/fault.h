#pragma once

namespace coprotect {

// A place where a test may kill the process: before and after each durable write, rename and send of a
// ceremony. Programs link fault_none.cc, where this does nothing; their twins for the kill tests link
// fault_counted.cc, which reads COPROTECT_FAULT_AT (die with SIGKILL at the N-th point passed, or at the
// first of a name) and COPROTECT_FAULT_LOG (a file that gets each point's name, a line each).
void fault_point(const char* name) noexcept;

}  // namespace coprotect
