#pragma once

namespace coprotect {

// Wipes the vector registers, in which copying a secret leaves it. They get onto the stack when a library's
// function is called for the first time: the dynamic linker saves them there.
void wipe_vector_registers() noexcept;

}  // namespace coprotect
