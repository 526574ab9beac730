#pragma once

namespace coprotect::protocol {

// Whether the errors in this thread's OpenSSL queue come from the machine: no memory, no descriptor, a part
// of the library that cannot be initialised. If so, the failure says nothing about the input, and the caller
// must not report an invalid signature. Empties the queue, which must have been empty before the operation.
bool machine_failed();

}  // namespace coprotect::protocol
