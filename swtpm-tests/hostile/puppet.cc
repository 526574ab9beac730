// In the place of coprotect-front or coprotect-relay: hands its channel to the custodian over to the test
// that listens beside this executable, and stays until that test lets go of it.

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <string>

#include "agent/ipc/channel.h"

namespace coprotect::harness {
namespace {

constexpr int kChannel = 3;

int hand_over() {
  Fd channel(kChannel);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string address_file = std::filesystem::read_symlink("/proc/self/exe").string() + ".socket";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  address_file.copy(address.sun_path, sizeof address.sun_path - 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;

  agent::ipc::Channel test(std::move(socket));
  const std::array files{channel.get()};
  if (!test.send(Bytes{1}, files)) return 1;
  channel.reset();
  static_cast<void>(test.receive());
  return 0;
}

}  // namespace
}  // namespace coprotect::harness

int main() {
  return coprotect::harness::hand_over();
}
