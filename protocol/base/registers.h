#pragma once

namespace coprotect {

// Wipes the vector registers, which hold secrets that were copied through them. The dynamic linker saves
// these registers on the stack when a library function is called for the first time.
void wipe_vector_registers() noexcept;

}  // namespace coprotect
