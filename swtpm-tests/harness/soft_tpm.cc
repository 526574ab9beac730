#include "swtpm-tests/harness/soft_tpm.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "protocol/base/result.h"

namespace coprotect::harness {
namespace {

constexpr int kServer = 3;
constexpr int kControl = 4;

// A listening Unix socket. Bound by the test and inherited by swtpm, so that clients can connect at once.
class Listener {
 public:
  explicit Listener(const std::string& path) {
    unlink(path.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    invariant(path.size() < sizeof(address.sun_path));
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    invariant(fd_ >= 0);
    invariant(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    invariant(listen(fd_, 16) == 0);
  }
  ~Listener() { close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

SoftTpm::SoftTpm(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  start();
}

void SoftTpm::start() {
  invariant(!process_.started());
  const Listener server(socket_path());
  const Listener control(socket_path() + ".ctrl");  // where the swtpm TCTI looks for it
  process_ = Daemon::spawn(
      {installed_program("swtpm").string(), "socket", "--tpm2", "--tpmstate",
       "dir=" + folder_.string() + ",mode=0600", "--server", "type=unixio,fd=" + std::to_string(kServer),
       "--ctrl", "type=unixio,fd=" + std::to_string(kControl), "--flags", "not-need-init,startup-clear"},
      {}, {{kServer, server.fd()}, {kControl, control.fd()}});
}

void SoftTpm::hang() {
  process_.signal(SIGSTOP);
}

void SoftTpm::resume() {
  process_.signal(SIGCONT);
}

}  // namespace coprotect::harness
