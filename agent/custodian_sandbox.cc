#include "agent/custodian_sandbox.h"

#include <cstdlib>
#include <utility>

#include "agent/supervisor_notice.h"
#include "hsm/erasure_holds.h"

namespace coprotect::agent {

namespace {

// The sockets that notify_supervisor() sends to.
Datagrams supervisors() {
  const char* const socket = std::getenv("NOTIFY_SOCKET");
  if (socket == nullptr || *socket == '\0') return Datagrams::none;
  return *socket == '@' ? Datagrams::all : Datagrams::with_path;
}

}  // namespace

// Allows whole folders: when an editor or renew-tls replaces a file, the new one is another file to the
// kernel.
SandboxNeeds needs_of_custodian(const Config& config) {
  std::vector<std::filesystem::path> change{config.state()};
  if (const auto runtime = runtime_folder()) change.push_back(*runtime);
  return {.pairs = true,
          .datagrams = supervisors(),
          .secrets = true,
          .read = {config.folder, config.tls.certificate.parent_path(), config.tls.key.parent_path(),
                   "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom"},
          .list = {config.folder / hsm::ErasureHolds::kFolder},
          .change = std::move(change)};
}

}  // namespace coprotect::agent
