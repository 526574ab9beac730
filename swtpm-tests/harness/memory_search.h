#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"

namespace coprotect::harness {

// A place in a process's memory that contains a part of a secret.
struct Residue {
  std::uintptr_t address;
  std::string form;     // "raw", "hex", …, of which 16 bytes were found
  std::string mapping;  // the line of /proc/PID/maps
  bool locked;          // whether the mapping is locked: never swapped out
};

struct MemorySearch {
  std::vector<Residue> found;
  std::size_t bytes_read = 0;
  std::size_t unreadable_pages = 0;  // memfd_secret: not even root can read these
};

// Searches all memory of a waiting process, as a core dump (`gcore -a`) would show it, for any 16 consecutive
// bytes of a secret of 16 bytes or more. Forms: unchanged; reversed (integers are stored that way); with each
// word of 4 or of 8 bytes reversed (hash functions store their input so); in hexadecimal of either case; in
// base64. Only root, or a process with CAP_SYS_PTRACE, can search a process that is not dumpable. Throws an
// exception if the process cannot be read.
MemorySearch search_memory(pid_t process, ByteView secret);
// The same search in some bytes. Returns the forms found, each as often as it was found.
std::vector<std::string> forms_in(ByteView bytes, ByteView secret);

}  // namespace coprotect::harness
