#include "hsm/helper_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "hsm/helper/message.h"
#include "hsm/spawn.h"
#include "protocol/base/fd.h"

namespace coprotect::hsm {
namespace {

// Where SoftHSM2, YubiHSM 2, Utimaco, Thales Luna, tpm2-pkcs11 and OpenSC look for their configuration.
// Nothing else of the environment reaches the foreign code.
constexpr std::array kPassedVariables = {"SOFTHSM2_CONF",     "YUBIHSM_PKCS11_CONF",
                                         "CS_PKCS11_R3_CFG",  "ChrystokiConfigurationPath",
                                         "TPM2_PKCS11_STORE", "OPENSC_CONF"};

std::vector<std::string> environment_of_helper() {
  std::vector<std::string> environment = {"TSS2_LOG=all+none"};
  for (const char* const name : kPassedVariables)
    if (const char* const value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  return environment;
}

// Milliseconds until the deadline, for poll(); rounded up so that it is not polled too early again and again.
int milliseconds_until(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
}

// Whether the descriptor has something to read before the deadline.
bool readable(int fd, Deadline deadline) {
  pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
  int ready;
  do ready = poll(&polled, 1, milliseconds_until(deadline));
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

std::optional<int> wait_status(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return std::nullopt;
  return status;
}

// How the process ended, if it is known. A process that hangs in a driver of the kernel survives SIGKILL for
// a while; that must not hold the caller up.
std::optional<int> kill_and_reap(pid_t pid) {
  constexpr std::chrono::seconds kPatience{1};
  kill(-pid, SIGKILL);
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  const bool gone = handle < 0 || readable(handle, std::chrono::steady_clock::now() + kPatience);
  if (handle >= 0) close(handle);
  if (gone) return wait_status(pid);
  std::thread(wait_status, pid).detach();
  return std::nullopt;
}

}  // namespace

Result<HelperProcess> HelperProcess::start(const std::filesystem::path& executable) {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Error(Code::unavailable, "cannot make a channel to coprotect-token: " +
                                        std::error_code(errno, std::generic_category()).message());
  Fd ours(ends[0]);
  const Fd its(ends[1]);
  const auto pid = spawn(executable, {"coprotect-token"}, environment_of_helper(), its.get(), kTokenChannel);
  if (!pid) return pid.error();
  return HelperProcess(*pid, ours.release());
}

HelperProcess::HelperProcess(HelperProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), channel_(std::exchange(other.channel_, -1)) {}

HelperProcess::~HelperProcess() {
  if (channel_ >= 0) close(channel_);
  if (pid_ > 0) kill_and_reap(pid_);
}

Result<Secret> HelperProcess::exchange(ByteView request, Deadline deadline) {
  if (send(channel_, request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return ended_without_reply();
  if (!readable(channel_, deadline)) return Error(Code::unavailable, "the token does not answer");
  Secret reply(kMaxTokenMessage);
  const ssize_t size = recv(channel_, reply.fill().data(), reply.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (size <= 0) return ended_without_reply();
  if (static_cast<std::size_t>(size) > reply.size())
    return Error(Code::unavailable, "coprotect-token sent more than a reply");
  return Secret::copy_of(reply.reveal().first(static_cast<std::size_t>(size)));
}

Error HelperProcess::ended_without_reply() {
  const auto status = kill_and_reap(std::exchange(pid_, -1));
  std::string message = "coprotect-token ended without a reply";
  if (status && WIFSIGNALED(*status)) message += ": signal " + std::to_string(WTERMSIG(*status));
  if (status && WIFEXITED(*status)) message += ": exit status " + std::to_string(WEXITSTATUS(*status));
  return {Code::unavailable, std::move(message)};
}

}  // namespace coprotect::hsm
