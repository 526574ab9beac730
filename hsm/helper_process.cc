#include "hsm/helper_process.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
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

// The variables by which SoftHSM2, YubiHSM 2, Utimaco, Thales Luna, tpm2-pkcs11 and OpenSC find their
// configuration. Nothing else of the environment reaches the foreign code.
constexpr std::array kPassedVariables = {"SOFTHSM2_CONF",     "YUBIHSM_PKCS11_CONF",
                                         "CS_PKCS11_R3_CFG",  "ChrystokiConfigurationPath",
                                         "TPM2_PKCS11_STORE", "OPENSC_CONF"};

// Milliseconds until the deadline, for poll(); rounded up so that it does not poll too early repeatedly.
int milliseconds_until(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
}

// Whether the descriptor becomes readable before the deadline.
bool readable(int fd, Deadline deadline) {
  pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
  int ready;
  do ready = poll(&polled, 1, milliseconds_until(deadline));
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// The same, but ends early on a stop request.
bool readable(int fd, Deadline deadline, const std::stop_token& stop) {
  if (!stop.stop_possible()) return readable(fd, deadline);
  constexpr std::chrono::milliseconds kLook{100};
  for (auto now = std::chrono::steady_clock::now(); now < deadline && !stop.stop_requested();
       now = std::chrono::steady_clock::now())
    if (readable(fd, std::min(deadline, now + kLook))) return true;
  return false;
}

// How the process ended, if known. A process that hangs in a kernel driver survives SIGKILL for a while; that
// must not block the caller.
std::optional<int> kill_and_reap(Spawned process) {
  constexpr std::chrono::seconds kPatience{1};
  kill_group(process);
  if (readable(process.handle.get(), std::chrono::steady_clock::now() + kPatience)) return reap(process);
  std::shared_ptr<const Spawned> left;
  try {
    left = std::make_shared<const Spawned>(std::move(process));
    std::thread([left] { reap(*left); }).detach();
  } catch (const std::exception&) {  // no memory, or no thread
    reap(left ? *left : process);
  }
  return std::nullopt;
}

// The pending reply in the channel.
std::optional<Secret> received(const Fd& channel) {
  Secret reply(kMaxTokenMessage);
  const ssize_t size = recv(channel.get(), reply.fill().data(), reply.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (size <= 0 || static_cast<std::size_t>(size) > reply.size()) return std::nullopt;
  return Secret::copy_of(reply.reveal().first(static_cast<std::size_t>(size)));
}

}  // namespace

std::vector<std::string> environment_of_helper(const std::string& uri) {
  std::vector<std::string> environment = {"TSS2_LOG=all+none"};
  for (const char* const name : kPassedVariables)
    if (const char* const value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  if (!uri.empty()) environment.push_back(kOnlyToken + ("=" + uri));
  return environment;
}

Result<HelperProcess> HelperProcess::start(const std::filesystem::path& executable,
                                           const std::optional<FileOwner>& owner) {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Error(Code::unavailable, "cannot make a channel to coprotect-token: " +
                                        std::error_code(errno, std::generic_category()).message());
  Fd ours(ends[0]);
  const Fd its(ends[1]);
  std::vector<std::string> arguments = {kHelperName};
  if (owner) arguments.insert(arguments.end(), {std::to_string(owner->user), std::to_string(owner->group)});
  auto process = spawn(executable, std::move(arguments), environment_of_helper(), its.get(), kTokenChannel);
  if (!process) return std::move(process).error();
  return HelperProcess(*std::move(process), std::move(ours));
}

HelperProcess::HelperProcess(HelperProcess&& other) noexcept
    : process_(std::exchange(other.process_, std::nullopt)),
      timed_out_(other.timed_out_),
      late_(std::move(other.late_)),
      channel_(std::move(other.channel_)) {}

HelperProcess::~HelperProcess() {
  if (process_ && timed_out_) {
    end_in_time();
    return;
  }
  channel_ = Fd();
  if (process_) kill_and_reap(*std::move(process_));
}

// A token's library may be in the middle of an operation: SoftHSM2 writes its token's files in place. The
// helper gets some seconds to finish it, if it can (helper/main.cc); then it is killed.
void HelperProcess::end_in_time() {
  struct Ending {
    Spawned process;
    Fd channel;
    Late late;
  };
  const auto finish = [](Ending& ending) {
    constexpr std::chrono::seconds kGrace{6};
    const auto deadline = std::chrono::steady_clock::now() + kGrace;
    const bool says = readable(ending.channel.get(), deadline);
    // Called before the process is reaped: one that hangs in the kernel blocks only this thread.
    if (const Late late = std::exchange(ending.late, nullptr)) {
      try {
        late(says ? received(ending.channel) : std::nullopt);
      } catch (const std::bad_alloc&) {  // its reply is lost
      }
    }
    if (!readable(ending.process.handle.get(), deadline)) kill_group(ending.process);
    reap(ending.process);
  };
  end_group(*process_);
  Ending here{*std::move(process_), std::move(channel_), std::move(late_)};
  std::shared_ptr<Ending> there;
  try {
    there = std::make_shared<Ending>(std::move(here));
    std::thread([there, finish] { finish(*there); }).detach();
  } catch (const std::exception&) {  // no memory, or no thread
    finish(there ? *there : here);
  }
}

Result<Secret> HelperProcess::exchange(ByteView request, Deadline deadline, const std::stop_token& stop) {
  if (send(channel_.get(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return ended_without_reply();
  if (!readable(channel_.get(), deadline, stop)) {
    timed_out_ = true;
    return Error(Code::unavailable, "the token does not answer");
  }
  Secret reply(kMaxTokenMessage);
  const ssize_t size = recv(channel_.get(), reply.fill().data(), reply.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (size <= 0) return ended_without_reply();
  if (static_cast<std::size_t>(size) > reply.size())
    return Error(Code::unavailable, "coprotect-token sent more than a reply");
  return Secret::copy_of(reply.reveal().first(static_cast<std::size_t>(size)));
}

Error HelperProcess::ended_without_reply() {
  const auto status = kill_and_reap(*std::exchange(process_, std::nullopt));
  std::string message = "coprotect-token ended without a reply";
  if (status && WIFSIGNALED(*status)) message += ": signal " + std::to_string(WTERMSIG(*status));
  if (status && WIFEXITED(*status)) message += ": exit status " + std::to_string(WEXITSTATUS(*status));
  return {Code::unavailable, std::move(message)};
}

}  // namespace coprotect::hsm
