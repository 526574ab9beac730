// The memory of an agent's live processes, as a core of them would show it, has nothing of its TLS key: not
// the file that the key is read from, and not the key with which front and relay make handshakes.

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "agent/config.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/ecdsa.h"
#include "swtpm-tests/harness/system.h"
#include "swtpm-tests/no_residue.h"

namespace coprotect::harness {
namespace {

class MemoryOfTls : public testing::Test {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{});
    if (HasFailure()) GTEST_FAIL() << "no system";
    alice_ = system_->add_client("alice");
    write_file(system_->folder() / "f", "some figures");
    ASSERT_EQ(system_->coprotect(alice_, {"encrypt", system_->folder() / "f"}).exit_code, 0);
  }
  // Handshakes of both fronts with a client and with the other one's relay.
  void use() {
    for (const char* const via : {"parallel", "chain:cloud", "chain:company"}) {
      const Finished run = system_->coprotect(alice_, {"decrypt", "--force", system_->folder() / "f.cop",
                                                       "-o", system_->folder() / "out", "--via", via});
      ASSERT_EQ(run.exit_code, 0) << run.err;
    }
  }
  void expect_none() {
    for (Agent* const agent : {&system_->cloud(), &system_->company()}) {
      const auto config = must(agent::Config::load(agent->config()));
      const std::string pem = read_file(config.tls.key);
      const auto key = must(protocol::SigningKey::from_pem(bytes_of(pem)));
      // A part of the file, as somebody who reads it would leave it: the second line begins inside the
      // scalar.
      const std::size_t second = pem.find('\n', pem.find('\n') + 1) + 1;
      const ByteView line = bytes_of(pem).subspan(second, 24);
      const pid_t custodian = agent->daemon().pid();
      const pid_t starter = child_of(custodian, "coprotect-start");  // as the kernel cuts it
      ASSERT_NE(starter, 0);
      for (const pid_t process : {custodian, starter}) {
        const char* const name = process == custodian ? "coprotect-agent" : "coprotect-starter";
        EXPECT_TRUE(none_in_sight(search_memory(process, key.scalar().reveal()))) << name;
        EXPECT_TRUE(none_in_sight(search_memory(process, line))) << name;
      }
      for (const char* const name : {"coprotect-front", "coprotect-relay"}) {
        const pid_t process = child_of(agent->daemon().pid(), name);
        ASSERT_NE(process, 0) << name;
        EXPECT_TRUE(none_in_sight(search_memory(process, key.scalar().reveal()))) << name;
        // The search does read this process: the certificate's key is no secret.
        EXPECT_FALSE(search_memory(process, ByteView(key.public_key().bytes()).subspan(1)).found.empty())
            << name;
      }
    }
  }

  std::unique_ptr<System> system_;
  std::filesystem::path alice_;
};

TEST_F(MemoryOfTls, HasNothingOfTheKey) {
  use();
  expect_none();
}

TEST_F(MemoryOfTls, HasNothingOfTheKeyThatWasReadAgain) {
  for (Agent* const agent : {&system_->cloud(), &system_->company()}) agent->daemon().signal(SIGHUP);
  usleep(500'000);
  use();
  expect_none();
}

}  // namespace
}  // namespace coprotect::harness
