#include "hsm/helper_folder.h"

#include <system_error>

namespace coprotect::hsm {

namespace fs = std::filesystem;

fs::path helper_folder_of(const fs::path& programs) {
  std::error_code ignored;
  if (fs::exists(programs / "coprotect-token", ignored)) return programs;
  // Relative to the programs, so that an installation works wherever it is moved to.
  return (programs / COPROTECT_HELPERS_FROM_PROGRAMS).lexically_normal();
}

Result<fs::path> helper_folder() {
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  if (failure) return Error(Code::internal, "cannot find this program's own folder: " + failure.message());
  return helper_folder_of(program.parent_path());
}

}  // namespace coprotect::hsm
