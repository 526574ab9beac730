#include "swtpm-tests/harness/scratch.h"

#include <cstdlib>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::harness {

Scratch::Scratch() {
  std::string name = "/tmp/coprotect-XXXXXX";
  invariant(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace coprotect::harness
