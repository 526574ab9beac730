// A token locks after a few attempts. The commands that make an agent's folder are repeated after a failure,
// and what they made is then gone.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "hsm/agent_folder.h"
#include "hsm/token.h"
#include "protocol/base/owned.h"
#include "provisioning/backup.h"
#include "provisioning/clock.h"
#include "provisioning/init_agent.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using harness::SoftToken;

class RefusedPin : public testing::Test {
 protected:
  RefusedPin() {
    device_.use();
    write_pin("271828");
  }

  void write_pin(const std::string& pin) const { harness::write_file(scratch_ / "pin", pin + "\n"); }
  Result<std::string> init(const std::string& name) const {
    return init_agent({.directory = scratch_ / name,
                       .role = "company",
                       .url = "https://agent.example:8443",
                       .listen = std::nullopt,
                       .token = SoftToken::counting_logins(device_.uri_with_pin_file(scratch_ / "pin")),
                       .hold_seconds = 300,
                       .token_helper = COPROTECT_TOKEN},
                      now_ms(), system_random());
  }
  Status restore(const std::string& name) const {
    return restore_backup(
        {.from = scratch_ / "backup", .directory = scratch_ / name, .token_helper = COPROTECT_TOKEN},
        now_ms(), system_random());
  }
  // A backup of an agent that never started, with an empty store.
  void make_backup() const {
    ASSERT_TRUE(init("agent"));
    Owned<sqlite3, sqlite3_close_v2> store;
    const fs::path file = hsm::state_of(scratch_ / "agent") / "store.db";
    ASSERT_EQ(sqlite3_open(file.c_str(), out(store)), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(store.get(), "CREATE TABLE log(seq INTEGER); CREATE TABLE keys(key_id BLOB)",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    const auto made = back_up({.directory = scratch_ / "agent", .out = scratch_ / "backup"});
    ASSERT_TRUE(made) << made.error().message();
  }
  // Each wrong PIN is tried once, however often the command is repeated. Then the right one works.
  template <typename Run>
  void is_tried_once(Run run) const {
    const std::size_t before = device_.logins();
    for (const char* const wrong : {"314159", "161803"}) {
      write_pin(wrong);
      for (int time = 0; time < 3; ++time) {
        const auto refused = run();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), Code::wrong_code) << refused.error().message();
      }
    }
    EXPECT_EQ(device_.logins(), before + 2);
    write_pin("271828");
    const auto done = run();
    ASSERT_TRUE(done) << done.error().message();
  }

  const harness::Scratch scratch_;
  const SoftToken device_{scratch_ / "token"};
};

TEST_F(RefusedPin, IsNotTriedAgainByTheNextInitAgent) {
  is_tried_once([&] { return init("agent/"); });
  EXPECT_FALSE(fs::exists(scratch_ / "agent.pin-refused"));
}

TEST_F(RefusedPin, IsNotTriedAgainByTheNextRestoreBackup) {
  make_backup();
  is_tried_once([&] { return restore("new"); });
  EXPECT_FALSE(fs::exists(scratch_ / "new.pin-refused"));
  is_tried_once([&] { return restore("agent"); });  // in place of the existing one
}

// The agent tried it, and that is why the operator uses the backup.
TEST_F(RefusedPin, OfTheAgentIsNotTriedByRestoreBackup) {
  make_backup();
  write_pin("314159");
  ASSERT_FALSE(restore("new"));
  const std::size_t before = device_.logins();
  fs::rename(scratch_ / "new.pin-refused", hsm::state_of(scratch_ / "agent") / hsm::kRefusedPinFile);
  EXPECT_FALSE(restore("agent"));
  EXPECT_EQ(device_.logins(), before);
}

}  // namespace
}  // namespace coprotect::provisioning
