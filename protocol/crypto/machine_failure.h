#pragma once

namespace coprotect::protocol {

// Whether errors that OpenSSL left in this thread's queue are the machine's: no memory, no descriptor, a part
// of the library that cannot be initialised. Then what failed says nothing of its input, and must not be
// taken for a signature that does not hold. Empties the queue; it must have been empty before the operation.
bool machine_failed();

}  // namespace coprotect::protocol
