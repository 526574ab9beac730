// In the place of coprotect-front: a stranger's code that has taken the front over. It enters the sandbox
// where the real one does, then tries whatever would hurt, and writes beside its executable what came of it.
// With a file "unconfined" there it stays out of the sandbox and only looks, which shows that the attempts
// are real.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "agent/ipc/channel.h"
#include "agent/ipc/messages.h"
#include "agent/sandbox/sandbox.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

constexpr int kChannel = 3;

struct Attempt {
  std::string name;
  bool only_looks;
  std::function<bool()> succeeds;
};

bool opens(const path& file, int flags) {
  return bool(Fd(open(file.c_str(), flags | O_CLOEXEC, 0600)));
}

bool reads_memory_of(pid_t process) {
  std::array<char, 16> bytes{};
  const iovec here{bytes.data(), bytes.size()};
  const iovec there{reinterpret_cast<void*>(&reads_memory_of), bytes.size()};
  return process_vm_readv(process, &here, 1, &there, 1, 0) > 0;
}

bool makes_a_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  return child > 0;
}

bool runs_a_shell() {
  std::array<char*, 1> none{nullptr};
  execve("/bin/sh", none.data(), none.data());
  return false;  // if it succeeds this report has no end
}

bool maps_code() {
  return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
         MAP_FAILED;
}

std::vector<Attempt> attempts(const path& folder, pid_t custodian) {
  const path process = path("/proc") / std::to_string(custodian);
  std::vector<Attempt> all;
  for (const char* const file : {"state/store.db", "keyring", "agent.toml", "identity.pem", "tls.key.pem"})
    all.push_back({"read " + std::string(file), true, [=] { return opens(folder / file, O_RDONLY); }});
  all.push_back({"write the store", false, [=] { return opens(folder / "state/store.db", O_RDWR); }});
  all.push_back({"make a file", false, [=] { return opens(folder / "planted", O_WRONLY | O_CREAT); }});
  all.push_back({"list the folder", true, [=] { return opens(folder, O_RDONLY | O_DIRECTORY); }});
  all.push_back({"remove a file", false, [=] { return unlink((folder / "identity.pem").c_str()) == 0; }});
  all.push_back({"replace a file", false,
                 [=] { return rename((folder / "agent.toml").c_str(), (folder / "keyring").c_str()) == 0; }});
  all.push_back({"look into its memory", true, [=] { return opens(process / "mem", O_RDONLY); }});
  all.push_back({"look into its maps", true, [=] { return opens(process / "maps", O_RDONLY); }});
  all.push_back({"read its memory", false, [=] { return reads_memory_of(custodian); }});
  all.push_back({"trace it", false, [=] { return ptrace(PTRACE_SEIZE, custodian, nullptr, nullptr) == 0; }});
  all.push_back({"take its descriptors", false, [=] { return syscall(SYS_pidfd_open, custodian, 0) >= 0; }});
  all.push_back({"kill it", false, [=] { return kill(custodian, SIGKILL) == 0; }});
  all.push_back(
      {"signal it", false, [=] { return syscall(SYS_tgkill, custodian, custodian, SIGTERM) == 0; }});
  all.push_back({"make a process", true, makes_a_process});
  all.push_back({"run a program", false, runs_a_shell});
  all.push_back({"make code", true, maps_code});
  all.push_back({"connect out", true, [] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }});
  all.push_back({"reach local sockets", true, [] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }});
  all.push_back({"use the keyring", false, [] { return syscall(SYS_keyctl, 0, 0, 0) >= 0; }});
  return all;
}

// What it was born with besides its channel and the three standard ones.
bool has_more_descriptors() {
  for (int fd = kChannel + 1; fd < 1024; ++fd)
    if (fcntl(fd, F_GETFD) >= 0) return true;
  return false;
}

pid_t parent_of(pid_t process) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
  pid_t parent = 0;
  std::string skipped;
  stat >> skipped >> skipped >> skipped >> parent;
  return parent;
}

int intrude(const path& folder) {
  agent::ipc::Channel channel{Fd(kChannel)};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool more = has_more_descriptors();
  const pid_t custodian = parent_of(getppid());  // who started it is the starter
  const path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const bool unconfined = std::filesystem::exists(here / "unconfined");
  const Fd report(open((here / "report").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const auto note = [&](const std::string& name, bool success) {
    const std::string line = name + (success ? ": succeeded\n" : ": failed\n");
    return write(report.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
  };

  if (!unconfined && !agent::enter_sandbox()) return 1;
  if (!channel.receive() || !note("inherit a descriptor", more)) return 1;
  for (const Attempt& attempt : attempts(folder, custodian))
    if (!unconfined || attempt.only_looks)
      if (!note(attempt.name, attempt.succeeds())) return 1;
  if (!note("reach the end", true) || !channel.send(agent::ipc::Ready{.port = 1}.encode())) return 1;
  while (channel.receive()) {
  }
  return 0;
}

}  // namespace
}  // namespace coprotect::harness

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string(argv[i]) == "--certificate")
      return coprotect::harness::intrude(std::filesystem::path(argv[i + 1]).parent_path());
  return 1;
}
