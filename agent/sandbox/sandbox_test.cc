// What injected code could do inside the front or the relay. Each test enters the sandbox in a separate
// process.

#include "agent/sandbox/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <thread>

#include "agent/ipc/channel.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent {
namespace {

// Exits with 0 if `denied` reports, inside the sandbox, that its attempt failed.
template <typename F>
void expect_in_sandbox(F&& holds, const SandboxNeeds& needs = {}) {
  EXPECT_EXIT(
      {
        const auto entered = enter_sandbox(needs);
        if (!entered) std::fprintf(stderr, "%s\n", entered.error().message().c_str());
        const bool good = entered && holds();
        _exit(good ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

bool denied(long result) {
  return result < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EXDEV);
}

TEST(SandboxDeathTest, StartsNoProgram) {
  expect_in_sandbox([] {
    char* const arguments[] = {nullptr};
    return denied(execve("/bin/true", arguments, arguments)) &&
           denied(syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, arguments, 0)) && denied(fork()) &&
           denied(vfork());
  });
}

TEST(SandboxDeathTest, OpensNoFile) {
  expect_in_sandbox([] {
    return denied(open("/etc/passwd", O_RDONLY)) && denied(open("/proc/self/maps", O_RDONLY)) &&
           denied(open("/tmp/x", O_WRONLY | O_CREAT, 0600)) &&
           denied(open("/tmp", O_TMPFILE | O_RDWR, 0600)) &&
           denied(syscall(SYS_open, "/etc/passwd", O_RDONLY)) &&
           denied(syscall(SYS_openat2, 0, "/", nullptr, 0)) && denied(syscall(SYS_memfd_create, "x", 0)) &&
           denied(unlink("/tmp/x")) && denied(mkdir("/tmp/x", 0700)) && denied(rename("/tmp/x", "/tmp/y")) &&
           denied(symlink("/tmp/x", "/tmp/y")) && denied(chdir("/"));
  });
}

TEST(SandboxDeathTest, MakesNoSocket) {
  expect_in_sandbox([] {
    int ends[2];
    return denied(socket(AF_INET, SOCK_STREAM, 0)) && denied(socket(AF_UNIX, SOCK_STREAM, 0)) &&
           denied(socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) && denied(connect(0, nullptr, 0)) &&
           denied(bind(0, nullptr, 0)) && denied(listen(0, 1)) &&
           denied(syscall(SYS_io_uring_setup, 1, nullptr));
  });
}

TEST(SandboxDeathTest, TouchesNoOtherProcess) {
  expect_in_sandbox([] {
    const pid_t parent = getppid() < 0 ? 1 : 1;
    iovec vector{};
    return denied(ptrace(PTRACE_ATTACH, parent, nullptr, nullptr)) && denied(kill(parent, 0)) &&
           denied(kill(getpid(), 0)) && denied(process_vm_readv(parent, &vector, 1, &vector, 1, 0)) &&
           denied(process_vm_writev(parent, &vector, 1, &vector, 1, 0)) &&
           denied(fcntl(0, F_SETOWN, parent)) && denied(fcntl(0, F_SETSIG, SIGKILL)) &&
           fcntl(0, F_GETFL) >= 0 && denied(syscall(SYS_pidfd_open, parent, 0)) &&
           denied(syscall(SYS_tgkill, parent, parent, 0));
  });
}

TEST(SandboxDeathTest, MapsNothingExecutable) {
  expect_in_sandbox([] {
    void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED && denied(mprotect(page, 4096, PROT_READ | PROT_EXEC)) &&
           mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
  });
}

TEST(SandboxDeathTest, GainsNothing) {
  expect_in_sandbox([] {
    const rlimit limit{1, 1};
    return denied(setuid(0)) && denied(prctl(PR_SET_DUMPABLE, 1)) && denied(setrlimit(RLIMIT_CORE, &limit)) &&
           denied(syscall(SYS_bpf, 0, nullptr, 0)) && denied(syscall(SYS_unshare, 0x10000000)) &&
           denied(syscall(SYS_keyctl, 0, 0, 0));
  });
}

// Threads started before are confined too, and new ones can be started.
TEST(SandboxDeathTest, HoldsForEveryThread) {
  expect_in_sandbox([] {
    bool outcome = false;
    std::thread([&outcome] { outcome = denied(open("/etc/passwd", O_RDONLY)); }).join();
    return outcome;
  });
}

// The front's work is still possible: open sockets, and files that are passed to it.
TEST(SandboxDeathTest, LeavesOpenSocketsAndGivenFiles) {
  auto pair = ipc::Channel::make_pair();
  ASSERT_TRUE(pair);
  ipc::Channel near(std::move(pair->first));
  ipc::Channel far(std::move(pair->second));
  const Fd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  expect_in_sandbox([&] {
    const int files[] = {file.get()};
    std::vector<Fd> received;
    char byte = 0;
    return near.send(Bytes{1}, files) && far.receive(&received) && received.size() == 1 &&
           pread(received[0].get(), &byte, 1, 0) == 1;
  });
}

// The relay can still connect, and read the files that it named.
TEST(SandboxDeathTest, LeavesWhatAClientNeeds) {
  const SandboxNeeds needs{.connect = true, .read = {"/etc/hosts", "/usr/share", "/nowhere"}};
  expect_in_sandbox(
      [] {
        const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const Fd file(open("/etc/hosts", O_RDONLY | O_CLOEXEC));
        return socket && (file || errno == EPERM);  // EPERM: a kernel without Landlock
      },
      needs);
  expect_in_sandbox(
      [] {
        char* const arguments[] = {nullptr};
        return denied(open("/etc/passwd", O_RDONLY)) && denied(open("/etc", O_RDONLY | O_DIRECTORY)) &&
               denied(open("/proc/self/maps", O_RDONLY)) && denied(open("/etc/hosts", O_RDWR)) &&
               denied(open("/tmp/x", O_WRONLY | O_CREAT, 0600)) && denied(socket(AF_UNIX, SOCK_STREAM, 0)) &&
               denied(listen(0, 1)) && denied(execve("/bin/true", arguments, arguments)) && denied(fork()) &&
               denied(ioctl(2, TIOCSTI, "x")) && denied(kill(getppid(), 0)) &&
               denied(ptrace(PTRACE_ATTACH, 1, nullptr, nullptr)) &&
               mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
      },
      needs);
}

// The custodian can still use the files of its own folder, local sockets and locked memory, and no other
// files.
TEST(SandboxDeathTest, LeavesWhatACustodianNeeds) {
  const harness::Scratch scratch;
  const std::string own = (scratch / "own").string();
  std::filesystem::create_directory(own);
  const std::string other = (scratch / "other").string();
  harness::write_file(other, "x");
  const std::string heard = (scratch / "heard").string();
  std::filesystem::create_directory(heard);
  harness::write_file(heard + "/file", "x");
  const SandboxNeeds needs{
      .pairs = true, .secrets = true, .read = {"/dev/urandom"}, .list = {heard}, .change = {own}};
  expect_in_sandbox(
      [&] {
        const Fd file(open((own + "/a").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        const Fd random(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
        int ends[2];
        const ByteArray<64> page{};
        const Fd listed(open(heard.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const Fd read(open((heard + "/file").c_str(), O_RDONLY | O_CLOEXEC));
        const bool keeps = listed && read && fchmod(file.get(), 0600) == 0 &&
                           denied(fchmod(file.get(), 0644)) && denied(fchmod(listed.get(), 0777)) &&
                           denied(fchown(file.get(), getuid(), getgid())) &&
                           denied(open((heard + "/file").c_str(), O_WRONLY));
        const bool changes = keeps && file && write(file.get(), "x", 1) == 1 && fsync(file.get()) == 0 &&
                             rename((own + "/a").c_str(), (own + "/b").c_str()) == 0 &&
                             mkdir((own + "/c").c_str(), 0700) == 0 && rmdir((own + "/c").c_str()) == 0 &&
                             unlink((own + "/b").c_str()) == 0;
        return changes && random && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 &&
               socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 &&
               (Fd(static_cast<int>(syscall(SYS_memfd_secret, 0))) || errno == ENOSYS) &&
               mlock(page.data(), page.size()) == 0;
      },
      needs);
  expect_in_sandbox(
      [&] {
        char* const arguments[] = {nullptr};
        const rlimit limit{1, 1};
        iovec vector{};
        int ends[2];
        return denied(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends)) &&
               denied(socketpair(AF_UNIX, SOCK_RAW, 0, ends)) && denied(socket(AF_UNIX, SOCK_DGRAM, 0)) &&
               denied(socket(AF_UNIX, SOCK_STREAM, 0)) && denied(socket(AF_INET, SOCK_STREAM, 0)) &&
               denied(socket(AF_INET6, SOCK_DGRAM, 0)) && denied(socket(AF_NETLINK, SOCK_RAW, 0)) &&
               denied(listen(0, 1)) && denied(bind(0, nullptr, 0)) && denied(connect(0, nullptr, 0)) &&
               denied(execve("/bin/true", arguments, arguments)) && denied(fork()) && denied(vfork()) &&
               denied(kill(getppid(), 0)) && denied(kill(getpid(), 0)) &&
               denied(ptrace(PTRACE_ATTACH, 1, nullptr, nullptr)) &&
               denied(process_vm_readv(1, &vector, 1, &vector, 1, 0)) &&
               denied(setrlimit(RLIMIT_CORE, &limit)) && denied(prctl(PR_SET_DUMPABLE, 1)) &&
               denied(symlink("/etc", (own + "/l").c_str())) &&
               denied(mknod((own + "/n").c_str(), S_IFIFO, 0)) &&
               denied(link(other.c_str(), (own + "/h").c_str())) &&
               denied(syscall(SYS_io_uring_setup, 1, nullptr)) &&
               mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
      },
      needs);
  // Where the kernel has Landlock, as all those have that we support.
  expect_in_sandbox(
      [&] {
        return denied(open(other.c_str(), O_RDONLY)) && denied(open(other.c_str(), O_WRONLY)) &&
               denied(open("/etc/passwd", O_RDONLY)) && denied(open("/proc/self/mem", O_RDONLY)) &&
               denied(open((scratch / "new").c_str(), O_WRONLY | O_CREAT, 0600)) &&
               denied(unlink(other.c_str())) && denied(rename(other.c_str(), (own + "/o").c_str())) &&
               denied(mkdir((scratch / "d").c_str(), 0700)) && denied(chmod(other.c_str(), 0644)) &&
               denied(utimensat(AT_FDCWD, other.c_str(), nullptr, 0)) && denied(chown(other.c_str(), 0, 0)) &&
               denied(truncate(other.c_str(), 0));
      },
      needs);
}

// A supervisor's socket, by its path or in the abstract namespace.
class Listening {
 public:
  explicit Listening(const std::string& name) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, name.data(), name.size());
    if (name.front() == '@') address_.sun_path[0] = '\0';
    size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address_), size_), 0);
  }
  bool can_be_told() const {
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address_), size_) == 1;
  }

 private:
  Fd socket_;
  sockaddr_un address_{};
  socklen_t size_ = 0;
};

TEST(SandboxDeathTest, SendsDatagramsToASupervisorOnly) {
  const harness::Scratch scratch;
  const Listening file((scratch / "socket").string());
  const Listening abstract("@coprotect-sandbox-" + std::to_string(getpid()));
  expect_in_sandbox([&] { return !file.can_be_told() && !abstract.can_be_told(); }, {.pairs = true});
  expect_in_sandbox([&] { return file.can_be_told() && denied(socket(AF_UNIX, SOCK_STREAM, 0)); },
                    {.datagrams = Datagrams::with_path});
  expect_in_sandbox([&] { return file.can_be_told() && abstract.can_be_told(); },
                    {.datagrams = Datagrams::all});
  constexpr int kScopes = 6;  // the version of Landlock that knows them
  const bool scoped =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= kScopes;
  expect_in_sandbox([&] { return scoped ? denied(abstract.can_be_told() ? 0 : -1) : abstract.can_be_told(); },
                    {.datagrams = Datagrams::with_path});
}

}  // namespace
}  // namespace coprotect::agent
