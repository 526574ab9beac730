#include "agent/custodian/restored_marker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/base/fault.h"
#include "protocol/base/fd.h"

namespace coprotect::agent::custodian {
namespace {

constexpr const char* kName = "restored";

}  // namespace

// If the check fails, the marker counts as present.
bool RestoredMarker::present() const {
  std::error_code failure;
  return std::filesystem::exists(folder_ / kName, failure) || failure;
}

Status RestoredMarker::remove() const {
  fault_point("before removing the marker of a restored store");
  const std::filesystem::path file = folder_ / kName;
  bool removed = unlink(file.c_str()) == 0 || errno == ENOENT;
  if (removed) {
    const Fd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    removed = folder && fsync(folder.get()) == 0;
  }
  if (!removed)
    return Error(Code::unavailable, "cannot remove \"" + file.string() + "\": " + std::strerror(errno));
  fault_point("after removing the marker of a restored store");
  return Done{};
}

}  // namespace coprotect::agent::custodian
