// An agent whose software token lost its files, as a kill or a full disk leaves it.

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class DamagedSoftToken : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(HasFailure()) << "no system";
    alice_ = system_.add_client("alice");
    write_file(file("f"), "some figures");
    ASSERT_EQ(system_.coprotect(alice_, {"encrypt", file("f")}).exit_code, 0);
  }
  Agent& agent() { return system_.company(); }
  std::string file(const std::string& name) const { return (system_.folder() / name).string(); }
  int decrypt() {
    fs::remove(file("out"));
    return system_.coprotect(alice_, {"decrypt", file("f.cop"), "-o", file("out")}).exit_code;
  }
  fs::path token() {
    return fs::directory_iterator(system_.token().configuration().parent_path() / "tokens")->path();
  }
  bool is_logged(const std::string& text) {
    for (const auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;
         std::this_thread::sleep_for(50ms))
      if (read_file(agent().log()).find(text) != std::string::npos) return true;
    return false;
  }

  System system_{System::Options{.hold_seconds = 0}};
  fs::path alice_;
};

TEST_F(DamagedSoftToken, ComesBackAtTheStartAndIsTold) {
  agent().stop();
  fs::resize_file(token() / "token.object", 0);
  ASSERT_TRUE(agent().start());
  EXPECT_TRUE(is_logged("token: the files of the software token were damaged and were put back"))
      << read_file(agent().log());
  EXPECT_EQ(decrypt(), 0);
}

TEST_F(DamagedSoftToken, ComesBackWhileTheAgentRuns) {
  fs::resize_file(token() / "token.object", 0);
  EXPECT_EQ(decrypt(), 0);
  EXPECT_TRUE(is_logged("token: the files of the software token were damaged and were put back"));
}

TEST_F(DamagedSoftToken, SaysWhatToDoIfItsCopyIsDamagedToo) {
  agent().stop();
  fs::resize_file(token() / "token.object", 0);
  fs::resize_file(token() / ".coprotect-copy", 0);
  const Finished run = Command(System::program("coprotect-agent"))
                           .args({"--config", agent().config().string()})
                           .env(agent().environment.front())
                           .run(20s);
  EXPECT_NE(run.exit_code, 0);
  EXPECT_NE(run.err.find("coprotect-provision restore"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace coprotect::harness
