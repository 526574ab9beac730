#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"

namespace coprotect::harness {

// A place in a process's memory where a part of a secret stands.
struct Residue {
  std::uintptr_t address;
  std::string form;     // "raw", "hex", …, of which 16 bytes stand there
  std::string mapping;  // the line of /proc/PID/maps
  bool locked;          // whether the mapping is locked: never swapped out
};

struct MemorySearch {
  std::vector<Residue> found;
  std::size_t bytes_read = 0;
  std::size_t unreadable_pages = 0;  // memfd_secret: not even root can read these
};

// Searches all memory of a process that waits, as a core of it (`gcore -a`) would show it, for any 16
// neighbouring bytes of a secret of 16 bytes or more: as they are, in reverse (integers lie in memory that
// way), with each word of 4 or of 8 bytes in reverse (hash functions hold their input so), in hexadecimal of
// either case, in base64. A process that is not dumpable can only be searched by root
// or with CAP_SYS_PTRACE. Fails with an exception if the process cannot be read.
MemorySearch search_memory(pid_t process, ByteView secret);
// The same search of some bytes: the forms of which a part stands there, each as often as it is found.
std::vector<std::string> forms_in(ByteView bytes, ByteView secret);

}  // namespace coprotect::harness
