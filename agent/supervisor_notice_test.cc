#include "agent/supervisor_notice.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "protocol/base/fd.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent {
namespace {

// A service manager's socket.
class Supervisor {
 public:
  explicit Supervisor(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Supervisor() { unsetenv("NOTIFY_SOCKET"); }
  std::string heard() const {
    char text[256];
    const ssize_t n = recv(socket_.get(), text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
  }

 private:
  Fd socket_;
};

TEST(SupervisorNotice, ReachesASocketInTheFileSystem) {
  const harness::Scratch scratch;
  const Supervisor supervisor(scratch / "notify");
  notify_supervisor("READY=1");
  EXPECT_EQ(supervisor.heard(), "READY=1");
  notify_reloading();
  EXPECT_TRUE(supervisor.heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
}

TEST(SupervisorNotice, ReachesAnAbstractSocket) {
  const Supervisor supervisor("@coprotect-notice-" + std::to_string(getpid()));
  notify_supervisor("STOPPING=1");
  EXPECT_EQ(supervisor.heard(), "STOPPING=1");
}

TEST(SupervisorNotice, KnowsHowOftenItIsExpected) {
  unsetenv("WATCHDOG_PID");
  unsetenv("WATCHDOG_USEC");
  EXPECT_FALSE(watchdog_period());
  for (const char* const none : {"", "0", "x", "3s", "-1", "99999999999999999999"}) {
    setenv("WATCHDOG_USEC", none, 1);
    EXPECT_FALSE(watchdog_period()) << none;
  }
  setenv("WATCHDOG_USEC", "60000000", 1);
  EXPECT_EQ(watchdog_period(), std::chrono::minutes(1));
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(watchdog_period(), std::chrono::minutes(1));
  setenv("WATCHDOG_PID", "1", 1);  // of another process
  EXPECT_FALSE(watchdog_period());
  unsetenv("WATCHDOG_PID");
  unsetenv("WATCHDOG_USEC");
}

TEST(SupervisorNotice, WithoutSupervisorIsNothing) {
  unsetenv("NOTIFY_SOCKET");
  notify_supervisor("READY=1");
  setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  notify_supervisor("READY=1");
  unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace coprotect::agent
