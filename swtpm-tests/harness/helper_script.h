#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "protocol/base/result.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::harness {

// A shell script that replaces coprotect-token in tests. It gets the channel as descriptor 3 and no
// environment.
inline std::filesystem::path helper_script(const Scratch& scratch, const std::string& name,
                                           const std::string& body) {
  const auto file = scratch / name;
  write_file(file, "#!/bin/sh\n" + body + "\n");
  invariant(chmod(file.c_str(), 0700) == 0);
  return file;
}

}  // namespace coprotect::harness
