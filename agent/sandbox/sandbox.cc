#include "agent/sandbox/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
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
#include <span>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/owned.h"

namespace coprotect::agent {
namespace {

Error failed(std::string_view what, int number) {
  return {Code::internal, "sandbox: " + std::string(what) + ": " + std::strerror(number)};
}

// struct landlock_ruleset_attr as of version 6; the build's headers may be older than the kernel.
struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};

// As of versions 2 and 3.
constexpr std::uint64_t kRefer = 1 << 13;
constexpr std::uint64_t kTruncate = 1 << 14;
constexpr std::uint64_t kBindTcp = 1;
constexpr std::uint64_t kConnectTcp = 2;
constexpr std::uint64_t kScopeAbstractSockets = 1;
constexpr std::uint64_t kScopeSignals = 2;
// Rights in folders whose files may be changed. These hold no programs, devices, sockets or links.
constexpr std::uint64_t kChange = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                  LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | kRefer | kTruncate;

// Everything that this version of Landlock can forbid (landlock(7)), except what is needed.
RulesetAttributes everything_but(const SandboxNeeds& needs, int version) {
  constexpr std::array<unsigned, 6> kFileRights{13, 14, 15, 15, 16, 16};  // how many bits each version knows
  const std::size_t known = static_cast<std::size_t>(version > 6 ? 6 : version);
  return {.handled_access_fs = (std::uint64_t{1} << kFileRights[known - 1]) - 1,
          .handled_access_net = version < 4     ? 0
                                : needs.connect ? kBindTcp
                                                : kBindTcp | kConnectTcp,
          .scoped = version < 6                         ? 0
                    : needs.datagrams == Datagrams::all ? kScopeSignals
                                                        : kScopeSignals | kScopeAbstractSockets};
}

// Allows this access to a path, or to everything in a folder. The rule applies to the file that the name
// refers to now: a file that replaces it later is not allowed.
Status allow(const Fd& ruleset, const std::filesystem::path& path, std::uint64_t access) {
  const Fd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place) return Done{};
  const landlock_path_beneath_attr rule{.allowed_access = access, .parent_fd = place.get()};
  if (syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return failed("landlock_add_rule", errno);
  return Done{};
}

// Descriptors that are already open stay usable.
Result<int> forbid_paths(const SandboxNeeds& needs) {
  const int version =
      static_cast<int>(syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (version < 1) return 0;
  const RulesetAttributes attributes = everything_but(needs, version);
  const Fd ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!ruleset) return failed("landlock_create_ruleset", errno);
  for (const auto& path : needs.read)
    if (auto allowed = allow(ruleset, path, LANDLOCK_ACCESS_FS_READ_FILE); !allowed)
      return std::move(allowed).error();
  for (const auto& path : needs.list)
    if (auto allowed = allow(ruleset, path, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
        !allowed)
      return std::move(allowed).error();
  for (const auto& path : needs.change)
    if (auto allowed = allow(ruleset, path, kChange & attributes.handled_access_fs); !allowed)
      return std::move(allowed).error();
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return failed("landlock_restrict_self", errno);
  return version;
}

constexpr std::array kAllowed{
    // sockets that are open or accepted
    SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    SCMP_SYS(shutdown), SCMP_SYS(close), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    // waiting
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(restart_syscall),
    // the files of a certificate that was passed to this process
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

// What libcurl and glibc's resolver add: the resolver uses UDP, and asks the kernel for addresses over
// netlink.
constexpr std::array kAllowedToConnect{
    SCMP_SYS(connect), SCMP_SYS(bind),   SCMP_SYS(socketpair), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
    SCMP_SYS(uname),   SCMP_SYS(select), SCMP_SYS(pselect6),   SCMP_SYS(pipe2),    SCMP_SYS(sysinfo)};

// What a database and replaced files need; Landlock says where.
constexpr std::array kAllowedToChange{
    SCMP_SYS(openat),     SCMP_SYS(unlink),      SCMP_SYS(unlinkat),   SCMP_SYS(rename),
    SCMP_SYS(renameat),   SCMP_SYS(renameat2),   SCMP_SYS(mkdir),      SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),      SCMP_SYS(fsync),       SCMP_SYS(fdatasync),  SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),  SCMP_SYS(pwrite64),    SCMP_SYS(flock),      SCMP_SYS(getdents64),
    SCMP_SYS(readlink),   SCMP_SYS(readlinkat),  SCMP_SYS(access),     SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(stat),        SCMP_SYS(lstat),      SCMP_SYS(statx),
    SCMP_SYS(statfs),     SCMP_SYS(fstatfs),     SCMP_SYS(getcwd),     SCMP_SYS(umask),
    SCMP_SYS(dup),        SCMP_SYS(setpriority), SCMP_SYS(getpriority)};

constexpr std::array kAllowedForSecrets{SCMP_SYS(memfd_secret), SCMP_SYS(mlock), SCMP_SYS(mlock2),
                                        SCMP_SYS(munlock)};

using Filter = Owned<void, seccomp_release>;

// Calls that are allowed only with some arguments.
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
  // The flags of clone3 are in memory, where a filter cannot read them; glibc falls back to clone.
  if (result == 0)
    result = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, nullptr);
  // Other commands make the kernel send a signal, of any number, to any process of the user.
  for (const scmp_datum_t command :
       {scmp_datum_t{F_GETFD}, scmp_datum_t{F_SETFD}, scmp_datum_t{F_GETFL}, scmp_datum_t{F_SETFL},
        scmp_datum_t{F_DUPFD}, scmp_datum_t{F_DUPFD_CLOEXEC}, scmp_datum_t{F_GETLK}, scmp_datum_t{F_SETLK},
        scmp_datum_t{F_SETLKW}})
    if (result == 0)
      result = allow(SCMP_SYS(fcntl),
                     {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xffffffffu, .datum_b = command});
  if (result == 0)
    result = allow(SCMP_SYS(prctl), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = PR_SET_NAME, .datum_b = 0});
  if (result == 0)
    result = allow(SCMP_SYS(tgkill), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = process, .datum_b = 0});
  return result;
}

int allow_all(scmp_filter_ctx filter, std::span<const int> calls) {
  int result = 0;
  for (const int call : calls)
    if (result == 0) result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 0, nullptr);
  return result;
}

int allow_connecting(scmp_filter_ctx filter) {
  int result = allow_all(filter, kAllowedToConnect);
  // Other requests insert input into terminals.
  for (const scmp_datum_t request : {scmp_datum_t{FIONBIO}, scmp_datum_t{FIONREAD}}) {
    const scmp_arg_cmp only{.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xffffffffu, .datum_b = request};
    if (result == 0) result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, &only);
  }
  for (const int family : {AF_INET, AF_INET6, AF_NETLINK}) {
    const scmp_arg_cmp of_family{
        .arg = 0, .op = SCMP_CMP_EQ, .datum_a = static_cast<scmp_datum_t>(family), .datum_b = 0};
    if (result == 0) result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &of_family);
  }
  return result;
}

// Allows `call` to make local sockets. The type shares its argument with flags.
int allow_local_sockets(scmp_filter_ctx filter, int call, scmp_datum_t type) {
  const std::array<scmp_arg_cmp, 2> local{
      scmp_arg_cmp{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_UNIX, .datum_b = 0},
      scmp_arg_cmp{.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xf, .datum_b = type}};
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, local.size(), local.data());
}

// A datagram socket, even one of a pair, can send to any address in each message.
int allow_pairs(scmp_filter_ctx filter) {
  const int result = allow_local_sockets(filter, SCMP_SYS(socketpair), SOCK_STREAM);
  return result != 0 ? result : allow_local_sockets(filter, SCMP_SYS(socketpair), SOCK_SEQPACKET);
}

// A process may read its own limits, and those of no other process.
int allow_own_limits(scmp_filter_ctx filter) {
  const std::array<scmp_arg_cmp, 2> own{
      scmp_arg_cmp{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = 0, .datum_b = 0},
      scmp_arg_cmp{.arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0, .datum_b = 0}};
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), own.size(), own.data());
}

// Landlock does not restrict chmod, and a file that can be opened for reading could be made accessible to
// all.
int allow_making_private(scmp_filter_ctx filter) {
  const scmp_arg_cmp for_its_owner{
      .arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xffffffffu, .datum_b = S_IRUSR | S_IWUSR};
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fchmod), 1, &for_its_owner);
}

// Only for reading; Landlock restricts which files.
int allow_opening(scmp_filter_ctx filter) {
  const scmp_arg_cmp for_reading{
      .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = O_ACCMODE | O_CREAT | O_TRUNC, .datum_b = O_RDONLY};
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, &for_reading);
}

// The rest fails with EPERM instead of killing the process: that denies as much, and a library that tries
// something new does not cause an outage.
Status forbid_calls(const SandboxNeeds& needs, bool landlock) {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (filter == nullptr) return failed("seccomp_init", ENOMEM);
  int result = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  if (result == 0) result = allow_all(filter.get(), kAllowed);
  if (result == 0) result = allow_conditionally(filter.get());
  if (result == 0) result = allow_own_limits(filter.get());
  if (result == 0 && needs.connect) result = allow_connecting(filter.get());
  if (result == 0 && needs.pairs) result = allow_pairs(filter.get());
  if (result == 0 && needs.datagrams != Datagrams::none)
    result = allow_local_sockets(filter.get(), SCMP_SYS(socket), SOCK_DGRAM);
  if (result == 0 && needs.secrets) result = allow_all(filter.get(), kAllowedForSecrets);
  if (result == 0 && !needs.change.empty()) result = allow_all(filter.get(), kAllowedToChange);
  if (result == 0 && !needs.change.empty()) result = allow_making_private(filter.get());
  if (result == 0 && landlock && needs.change.empty() && !needs.read.empty())
    result = allow_opening(filter.get());
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
