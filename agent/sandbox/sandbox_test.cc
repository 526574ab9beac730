// What a stranger's code could do that runs inside the front or the relay. Each test enters the sandbox in a
// process of its own.

#include "agent/sandbox/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>

#include "agent/ipc/channel.h"

namespace coprotect::agent {
namespace {

// Exits with 0 if `denied` says, after the sandbox was entered, that what it tried failed.
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
  return result < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS);
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
           denied(syscall(SYS_pidfd_open, parent, 0)) && denied(syscall(SYS_tgkill, parent, parent, 0));
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

// Threads that were started before are in it too, and new ones can be started.
TEST(SandboxDeathTest, HoldsForEveryThread) {
  expect_in_sandbox([] {
    bool outcome = false;
    std::thread([&outcome] { outcome = denied(open("/etc/passwd", O_RDONLY)); }).join();
    return outcome;
  });
}

// What the front is for still works: open sockets, and files that are handed over.
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

// What the relay is left with: it connects, and reads what it named.
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
               denied(kill(getppid(), 0)) && denied(ptrace(PTRACE_ATTACH, 1, nullptr, nullptr)) &&
               mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
      },
      needs);
}

}  // namespace
}  // namespace coprotect::agent
