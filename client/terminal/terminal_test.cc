#include "client/terminal/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <thread>

#include "client/terminal/secret_line.h"

namespace coprotect::client {
namespace {

// A pseudo-terminal. A thread runs the program under test on one side; the test types and reads on the other.
class Session {
 public:
  explicit Session(const std::function<void(const Terminal&)>& program)
      : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_TRUE(master_);
    EXPECT_EQ(grantpt(master_.get()), 0);
    EXPECT_EQ(unlockpt(master_.get()), 0);
    auto terminal = Terminal::open(ptsname(master_.get()));
    EXPECT_TRUE(terminal);
    program_ = std::thread([program, terminal = std::move(*terminal)] { program(terminal); });
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { end(); }

  // Waits until the terminal shows this text.
  void wait_for(std::string_view text) {
    while (seen_.find(text) == std::string::npos && read_more()) {
    }
    EXPECT_NE(seen_.find(text), std::string::npos);
  }
  void type(std::string_view keys) const {
    EXPECT_EQ(write(master_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  // Waits for the program's end. Returns what the terminal showed.
  const std::string& end() {
    while (read_more()) {
    }
    if (program_.joinable()) program_.join();
    return seen_;
  }

 private:
  // False once the program closed its side.
  bool read_more() {
    std::array<char, 256> buffer;
    const ssize_t n = read(master_.get(), buffer.data(), buffer.size());
    if (n <= 0) return false;
    seen_.append(buffer.data(), static_cast<std::size_t>(n));
    return true;
  }

  Fd master_;
  std::thread program_;
  std::string seen_;
};

TEST(Terminal, ReadsALineWithoutEcho) {
  Session session([](const Terminal& terminal) {
    const auto line = terminal.read_hidden("secret: ");
    ASSERT_TRUE(line);
    EXPECT_EQ(text_of(line->reveal()), "hunter2");
  });
  session.wait_for("secret: ");
  session.type("hunter\x7fr2\n");
  EXPECT_EQ(session.end().find("hunt"), std::string::npos) << "the terminal showed the secret";
}

TEST(Terminal, ControlUBeginsTheLineAgain) {
  Session session([](const Terminal& terminal) {
    const auto line = terminal.read_hidden("secret: ");
    ASSERT_TRUE(line);
    EXPECT_EQ(text_of(line->reveal()), "right");
  });
  session.wait_for("secret: ");
  session.type("wrong\x15right\n");
}

TEST(Terminal, ControlCGivesUp) {
  Session session([](const Terminal& terminal) {
    const auto line = terminal.read_hidden("secret: ");
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().code(), Code::unavailable);
  });
  session.wait_for("secret: ");
  session.type("half a sec\x03");
}

TEST(Terminal, RefusesALineThatIsTooLong) {
  Session session([](const Terminal& terminal) {
    const auto line = terminal.read_hidden("secret: ");
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().code(), Code::malformed);
  });
  session.wait_for("secret: ");
  session.type(std::string(kMaxSecretLine + 1, 'a') + "\n");
}

TEST(Terminal, TakesTheSecretOffTheScreen) {
  Session session([](const Terminal& terminal) {
    EXPECT_TRUE(terminal.show_once("the code:", Secret::copy_of(bytes_of("AAAAC")), "press Enter: "));
  });
  session.wait_for("AAAAC");
  session.wait_for("press Enter: ");
  session.type("\n");
  EXPECT_NE(session.end().find("\x1b[J"), std::string::npos);
}

TEST(Terminal, SaysThatThereIsNone) {
  EXPECT_EQ(Terminal::open("/nonexistent").error().code(), Code::unavailable);
}

}  // namespace
}  // namespace coprotect::client
