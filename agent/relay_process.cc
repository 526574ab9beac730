#include "agent/relay_process.h"

#include <utility>

namespace coprotect::agent {

Result<std::unique_ptr<ChildProcess>> start_relay(const std::filesystem::path& executable,
                                                  std::function<void(ipc::Forwarded)> forwarded) {
  const auto take = [forwarded = std::move(forwarded)](const std::shared_ptr<ipc::Channel>&, ByteView frame) {
    auto answer = ipc::Forwarded::parse(frame);
    const bool good = static_cast<bool>(answer);
    if (good) forwarded(std::move(*answer));
    return good;
  };
  return ChildProcess::start("relay", {executable.string()}, take);
}

}  // namespace coprotect::agent
