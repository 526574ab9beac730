#include "agent/sandbox/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/owned.h"

namespace coprotect::agent {
namespace {

Error failed(std::string_view what, int number) {
  return {Code::internal, "sandbox: " + std::string(what) + ": " + std::strerror(number)};
}

// struct landlock_ruleset_attr as of version 6; the headers that we build with may be older than the kernel.
struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};

constexpr std::uint64_t kBindTcp = 1;
constexpr std::uint64_t kConnectTcp = 2;

// Everything that this version of Landlock can forbid (landlock(7)), but for what is needed.
RulesetAttributes everything_but(const SandboxNeeds& needs, int version) {
  constexpr std::array<unsigned, 6> kFileRights{13, 14, 15, 15, 16, 16};  // how many bits each version knows
  const std::size_t known = static_cast<std::size_t>(version > 6 ? 6 : version);
  return {.handled_access_fs = (std::uint64_t{1} << kFileRights[known - 1]) - 1,
          .handled_access_net = version < 4     ? 0
                                : needs.connect ? kBindTcp
                                                : kBindTcp | kConnectTcp,
          .scoped = version >= 6 ? std::uint64_t{3} : 0};  // abstract sockets and signals
}

// Lets a file be read, or every file of a folder. What a name leads to counts, not the name: a file that
// takes its place later is another one.
Status allow_reading(const Fd& ruleset, const std::filesystem::path& path) {
  const Fd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat about {};
  if (!place || fstat(place.get(), &about) != 0) return Done{};
  const landlock_path_beneath_attr rule{.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
                                        .parent_fd = place.get()};
  if (syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return failed("landlock_add_rule", errno);
  return Done{};
}

// What is open already stays usable.
Result<int> forbid_paths(const SandboxNeeds& needs) {
  const int version =
      static_cast<int>(syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (version < 1) return 0;
  const RulesetAttributes attributes = everything_but(needs, version);
  const Fd ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!ruleset) return failed("landlock_create_ruleset", errno);
  for (const auto& path : needs.read)
    if (auto allowed = allow_reading(ruleset, path); !allowed) return std::move(allowed).error();
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return failed("landlock_restrict_self", errno);
  return version;
}

constexpr std::array kAllowed{
    // sockets that are open or accepted
    SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    SCMP_SYS(shutdown), SCMP_SYS(close), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(fcntl),
    // waiting
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(restart_syscall),
    // the files of a certificate that was handed over
    SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(pread64), SCMP_SYS(lseek),
    // threads and memory
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(gettid), SCMP_SYS(getpid),
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(membarrier),
    // signals, clocks, randomness
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(getrusage), SCMP_SYS(getrandom), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid)};

// What libcurl and glibc's resolver add: the resolver asks over UDP, and the kernel over netlink for
// addresses.
constexpr std::array kAllowedToConnect{SCMP_SYS(connect),  SCMP_SYS(bind),     SCMP_SYS(socketpair),
                                       SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(ioctl),
                                       SCMP_SYS(uname),    SCMP_SYS(select),   SCMP_SYS(pselect6),
                                       SCMP_SYS(pipe2),    SCMP_SYS(sysinfo)};

using Filter = Owned<void, seccomp_release>;

// The calls that are allowed with some arguments only.
int allow_conditionally(scmp_filter_ctx filter) {
  const auto allow = [filter](int call, scmp_arg_cmp condition) {
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
  };
  const auto process = static_cast<scmp_datum_t>(getpid());
  const scmp_arg_cmp not_executable{.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
  const scmp_arg_cmp a_thread{
      .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = CLONE_THREAD, .datum_b = CLONE_THREAD};
  int result = allow(SCMP_SYS(mmap), not_executable);
  if (result == 0) result = allow(SCMP_SYS(mprotect), not_executable);
  if (result == 0) result = allow(SCMP_SYS(clone), a_thread);
  // The flags of clone3 stand in memory, where a filter cannot look; glibc falls back to clone.
  if (result == 0)
    result = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, nullptr);
  if (result == 0)
    result = allow(SCMP_SYS(prctl), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = PR_SET_NAME, .datum_b = 0});
  if (result == 0)
    result = allow(SCMP_SYS(tgkill), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = process, .datum_b = 0});
  return result;
}

int allow_connecting(scmp_filter_ctx filter) {
  int result = 0;
  for (const int call : kAllowedToConnect)
    if (result == 0) result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 0, nullptr);
  for (const int family : {AF_INET, AF_INET6, AF_NETLINK}) {
    const scmp_arg_cmp of_family{
        .arg = 0, .op = SCMP_CMP_EQ, .datum_a = static_cast<scmp_datum_t>(family), .datum_b = 0};
    if (result == 0) result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &of_family);
  }
  return result;
}

// Only for reading; Landlock says which files.
int allow_opening(scmp_filter_ctx filter) {
  const scmp_arg_cmp for_reading{
      .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = O_ACCMODE | O_CREAT | O_TRUNC, .datum_b = O_RDONLY};
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, &for_reading);
}

// EPERM rather than death for the rest: it denies as much, and a library that tries something new does not
// become an outage.
Status forbid_calls(const SandboxNeeds& needs, bool landlock) {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (filter == nullptr) return failed("seccomp_init", ENOMEM);
  int result = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  for (const int call : kAllowed)
    if (result == 0) result = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 0, nullptr);
  if (result == 0) result = allow_conditionally(filter.get());
  if (result == 0 && needs.connect) result = allow_connecting(filter.get());
  if (result == 0 && landlock && !needs.read.empty()) result = allow_opening(filter.get());
  if (result == 0) result = seccomp_load(filter.get());
  if (result != 0) return failed("seccomp", -result);
  return Done{};
}

}  // namespace

Result<int> enter_sandbox(const SandboxNeeds& needs) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs", errno);
  auto version = forbid_paths(needs);
  if (!version) return version;
  if (auto filtered = forbid_calls(needs, *version > 0); !filtered) return std::move(filtered).error();
  return version;
}

}  // namespace coprotect::agent
