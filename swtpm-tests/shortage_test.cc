// What runs out costs requests while it is missing, and nothing afterwards.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using namespace std::chrono_literals;

class Shortage : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(HasFailure()) << "no system";
    alice_ = system_.add_client("alice");
    write_file(file("f"), "some figures");
    ASSERT_EQ(system_.coprotect(alice_, {"encrypt", file("f")}).exit_code, 0);
    // Of a request that is lost the client hears when its time is over.
    std::ofstream(agent().config(), std::ios::app) << "\n[limits]\nrequest_seconds = 2\nhang_seconds = 12\n";
  }

  Agent& agent() { return system_.cloud(); }
  std::string file(const std::string& name) const { return (system_.folder() / name).string(); }
  // The exit code; what was opened is right.
  int decrypt() {
    std::filesystem::remove(file("out"));
    const Finished run = system_.coprotect(alice_, {"decrypt", file("f.cop"), "-o", file("out")});
    if (run.exit_code == 0) {
      EXPECT_EQ(read_file(file("out")), "some figures");
    } else {
      EXPECT_FALSE(std::filesystem::exists(file("out")));
      said_ = run.err;
    }
    return run.exit_code;
  }
  bool opens_in_time() {
    for (const auto end = std::chrono::steady_clock::now() + 30s; std::chrono::steady_clock::now() < end;
         std::this_thread::sleep_for(100ms))
      if (decrypt() == 0) return true;
    return false;
  }

  // What fails every so many times, in turn, while alice decrypts.
  void passes(const std::string& what, const std::vector<int>& numbers) {
    constexpr int kUnavailable = 4;
    int opened = 0;
    int refused = 0;
    for (const int every : numbers) {
      SCOPED_TRACE(what + ": each " + std::to_string(every) + "th fails");
      agent().stop();
      agent().environment = {"COPROTECT_FAIL_" + what + "=" + std::to_string(every)};
      ASSERT_TRUE(agent().start({.with_faults = true}));
      agent().daemon().signal(SIGUSR2);
      for (int i = 0; i < 12; ++i) {
        const int code = decrypt();
        EXPECT_TRUE(code == 0 || code == kUnavailable) << code << ": " << said_;
        code == 0 ? ++opened : ++refused;
        ASSERT_TRUE(agent().running()) << read_file(agent().log());
      }
      agent().daemon().signal(SIGUSR2);
      EXPECT_TRUE(opens_in_time()) << said_;
      const Finished log = system_.provision({"log", "--dir", system_.out().string(), "--party", "cloud"});
      EXPECT_EQ(log.exit_code, 0) << log.err;
    }
    EXPECT_GT(opened, 5);
    EXPECT_GT(refused, 5);
    agent().environment.clear();
    agent().stop();
    ASSERT_TRUE(agent().start());
    EXPECT_TRUE(opens_in_time()) << said_;
  }

  System system_{System::Options{.hold_seconds = 0}};
  std::filesystem::path alice_;
  std::string said_;
};

TEST_F(Shortage, OfMemoryCostsRequestsAndNothingElse) {
  // Primes, so that other allocations fail each time.
  passes("MEMORY", {4001, 997, 499, 251, 127});
}

TEST_F(Shortage, OfDiskCostsRequestsAndNothingElse) {
  passes("WRITES", {59, 23, 7, 3, 1});
}

TEST_F(Shortage, OfADiskThatDoesNotSyncCostsRequestsAndNothingElse) {
  passes("SYNCS", {11, 5, 3, 1});
}

TEST_F(Shortage, OfThreadsCostsRequestsAndNothingElse) {
  passes("THREADS", {3, 2, 1});
}

}  // namespace
}  // namespace coprotect::harness
