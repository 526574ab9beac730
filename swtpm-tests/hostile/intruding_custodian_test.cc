// A stranger's code that has taken the custodian over: what it can leave in the agent's folder for the next
// start, and for the operator's commands, which no sandbox confines.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

#include "agent/custodian_sandbox.h"
#include "protocol/base/fd.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

// Everything that decides what an agent is, and what its operator said to it.
constexpr const char* kOperators[] = {"agent.toml", "identity.pem", "organisation", "keyring",
                                      "tls.pem",    "tls.key.pem",  "invitation",   "holds/said"};

struct Attempt {
  std::string name;
  std::function<bool(const path&)> succeeds;  // in an agent's folder
};

bool opens(const path& file, int flags) {
  return bool(Fd(open(file.c_str(), flags | O_CLOEXEC, 0600)));
}

// As somebody does who can only read it.
Fd read_only(const path& file) {
  return Fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
}

std::vector<Attempt> attempts_at(const std::string& name) {
  const auto on = [&](const std::string& what, auto does) {
    return Attempt{what + " " + name, [=](const path& folder) { return does(folder / name, folder); }};
  };
  const auto planted = [](const path& folder) { return folder / "state/planted"; };
  return {
      on("write", [](const path& file, const path&) { return opens(file, O_WRONLY); }),
      on("append to", [](const path& file, const path&) { return opens(file, O_RDWR | O_APPEND); }),
      on("empty", [](const path& file, const path&) { return opens(file, O_WRONLY | O_TRUNC); }),
      on("cut", [](const path& file, const path&) { return truncate(file.c_str(), 1) == 0; }),
      on("replace", [=](const path& file,
                        const path& folder) { return rename(planted(folder).c_str(), file.c_str()) == 0; }),
      on("exchange",
         [=](const path& file, const path& folder) {
           return renameat2(AT_FDCWD, planted(folder).c_str(), AT_FDCWD, file.c_str(), RENAME_EXCHANGE) == 0;
         }),
      on("move away",
         [](const path& file, const path& folder) {
           return rename(file.c_str(), (folder / "state/taken").c_str()) == 0;
         }),
      on("remove", [](const path& file, const path&) { return unlink(file.c_str()) == 0; }),
      on("open to all", [](const path& file, const path&) { return chmod(file.c_str(), 0666) == 0; }),
      on("open to all, as an open file,",
         [](const path& file, const path&) { return fchmod(read_only(file).get(), 0666) == 0; }),
      on("give away", [](const path& file,
                         const path&) { return fchown(read_only(file).get(), getuid(), getgid()) == 0; }),
      on("date", [](const path& file, const path&) { return futimens(read_only(file).get(), nullptr) == 0; }),
      on("link a second name to",
         [](const path& file, const path& folder) {
           return link(file.c_str(), (folder / "state/second").c_str()) == 0;
         }),
      on("link from the state to",
         [](const path& file, const path& folder) {
           return symlink(file.c_str(), (folder / "state/link").c_str()) == 0;
         }),
  };
}

std::vector<Attempt> attempts() {
  std::vector<Attempt> all;
  for (const char* const name : kOperators)
    for (Attempt& attempt : attempts_at(name)) all.push_back(std::move(attempt));
  const auto also = [&](std::string name, std::function<bool(const path&)> does) {
    all.push_back({std::move(name), std::move(does)});
  };
  also("make a file", [](const path& at) { return opens(at / "new", O_WRONLY | O_CREAT); });
  also("make a folder", [](const path& at) { return mkdir((at / "new").c_str(), 0700) == 0; });
  also("say something to itself", [](const path& at) { return opens(at / "holds/new", O_WRONLY | O_CREAT); });
  also("put its state elsewhere",
       [](const path& at) { return rename((at / "state").c_str(), (at / "old").c_str()) == 0; });
  also("open its state to all", [](const path& at) {
    const Fd folder(open((at / "state").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fchmod(folder.get(), 0777) == 0;
  });
  also("open the folder to all", [](const path& at) {
    const Fd folder(open(at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fchmod(folder.get(), 0777) == 0;
  });
  also("leave a FIFO", [](const path& at) { return mkfifo((at / "state/fifo").c_str(), 0600) == 0; });
  // Nor anybody on the host, since no supervisor is to be told.
  also("speak to others",
       [](const path&) { return bool(Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))); });
  also("write beside the folder",
       [](const path& at) { return opens(at.parent_path() / "new", O_WRONLY | O_CREAT); });
  return all;
}

// What it is there for.
std::vector<Attempt> needed() {
  return {
      {"read its configuration", [](const path& at) { return opens(at / "agent.toml", O_RDONLY); }},
      {"hand over its TLS key", [](const path& at) { return opens(at / "tls.key.pem", O_RDONLY); }},
      {"hear its operator",
       [](const path& at) {
         return opens(at / "holds", O_RDONLY | O_DIRECTORY) && opens(at / "holds/said", O_RDONLY);
       }},
      {"write its state", [](const path& at) { return opens(at / "state/store.db", O_RDWR | O_CREAT); }},
      {"replace a file of its state",
       [](const path& at) {
         return opens(at / "state/a", O_WRONLY | O_CREAT) &&
                rename((at / "state/a").c_str(), (at / "state/b").c_str()) == 0 &&
                unlink((at / "state/b").c_str()) == 0;
       }},
      {"make a folder in its state",
       [](const path& at) { return mkdir((at / "state/pending").c_str(), 0700) == 0; }},
      {"take an invitation's record",
       [](const path& at) { return opens(at / "state/invitations", O_RDONLY | O_DIRECTORY); }},
      {"keep a file of its state to itself",
       [](const path& at) {
         const Fd file(open((at / "state/planted").c_str(), O_RDWR | O_CLOEXEC));
         return fchmod(file.get(), 0600) == 0;
       }},
  };
}

class IntrudingCustodian : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("NOTIFY_SOCKET");
    const Finished made = Command(System::program("coprotect-provision"))
                              .args({"init-agent", "--dir", folder().string(), "--role", "cloud", "--url",
                                     "https://127.0.0.1:8443", "--token", tpm_.uri()})
                              .run();
    ASSERT_EQ(made.exit_code, 0) << made.err;
    write_file(folder() / "holds/said", "a statement");
    write_file(folder() / "state/planted", "token = \"tpm:another\"\n");
  }
  path folder() const { return scratch_ / "agent"; }

  // Each outside a sandbox, in a folder of its own.
  static bool succeeds(const Attempt& attempt, const path& folder) {
    const Scratch scratch;
    std::filesystem::copy(folder, scratch / "agent", std::filesystem::copy_options::recursive);
    return attempt.succeeds(scratch / "agent");
  }

  // Name, mode and content of everything in the folder but its state.
  std::map<std::string, std::string> operators_files() const {
    std::map<std::string, std::string> all;
    for (auto entry = std::filesystem::recursive_directory_iterator(folder());
         entry != std::filesystem::recursive_directory_iterator(); ++entry) {
      struct stat about {};
      EXPECT_EQ(lstat(entry->path().c_str(), &about), 0);
      all[entry->path().string()] = std::to_string(about.st_mode) + " " +
                                    (entry->is_regular_file() ? read_file(entry->path()) : std::string());
      if (entry->path() == folder() / "state") entry.disable_recursion_pending();
    }
    return all;
  }

  Scratch scratch_;
  SoftTpm tpm_{scratch_ / "tpm"};
};

// In the sandbox that coprotect-agent enters with this folder, one after the other.
TEST_F(IntrudingCustodian, LeavesNothingThatTheNextStartWouldObey) {
  const auto config = agent::Config::load(folder() / "agent.toml");
  ASSERT_TRUE(config) << config.error().message();
  const auto before = operators_files();
  // Not a death test: whatever has a copy of its pipe would keep it waiting.
  const pid_t intruder = fork();
  if (intruder == 0) {
    if (!agent::enter_sandbox(agent::needs_of_custodian(*config))) _exit(2);
    bool as_expected = true;
    const auto expect = [&](const Attempt& attempt, bool success) {
      if (attempt.succeeds(folder()) == success) return;
      as_expected = false;
      std::fprintf(stderr, "%s: %s\n", attempt.name.c_str(), success ? "failed" : "succeeded");
    };
    for (const Attempt& attempt : attempts()) expect(attempt, false);
    for (const Attempt& attempt : needed()) expect(attempt, true);
    std::fflush(stderr);
    _exit(as_expected ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(intruder, &status, 0), intruder);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(operators_files(), before);
}

TEST_F(IntrudingCustodian, WouldSucceedOutsideTheSandbox) {
  for (const Attempt& attempt : attempts()) EXPECT_TRUE(succeeds(attempt, folder())) << attempt.name;
  for (const Attempt& attempt : needed()) EXPECT_TRUE(succeeds(attempt, folder())) << attempt.name;
}

}  // namespace
}  // namespace coprotect::harness
