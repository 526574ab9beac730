// A stranger's code inside the front's sandbox reaches nothing of the custodian.

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <sstream>

#include "swtpm-tests/hostile/front_place.h"

namespace coprotect::harness {
namespace {

class IntrudingFront : public testing::Test {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{});
    if (HasFailure()) GTEST_FAIL() << "no system";
    install_programs(programs(), "coprotect-front", COPROTECT_INTRUDER_FRONT);
  }

  std::filesystem::path programs() const { return system_->folder() / "programs"; }
  // Starts the cloud's agent with the intruder as its front; whether each of its attempts succeeded. It
  // reports that it is ready when it has tried everything.
  std::map<std::string, bool> intrude() {
    system_->cloud().stop();
    EXPECT_TRUE(system_->cloud().start({.programs = programs()}));
    std::map<std::string, bool> outcomes;
    std::istringstream report(read_file(programs() / "report"));
    for (std::string line; std::getline(report, line);)
      outcomes.emplace(line.substr(0, line.find(": ")), line.ends_with(": succeeded"));
    EXPECT_EQ(outcomes.erase("reach the end"), 1u);
    return outcomes;
  }

  std::unique_ptr<System> system_;
};

TEST_F(IntrudingFront, SucceedsWithNothing) {
  const auto outcomes = intrude();
  EXPECT_EQ(outcomes.size(), 24u);  // all that it knows
  for (const auto& [attempt, succeeded] : outcomes) EXPECT_FALSE(succeeded) << attempt;
  EXPECT_TRUE(system_->cloud().running());

  // And nothing of the agent's was harmed.
  system_->cloud().kill();
  ASSERT_TRUE(system_->cloud().start());
  const auto alice = system_->add_client("alice");
  write_file(system_->folder() / "f", "some figures");
  ASSERT_EQ(system_->coprotect(alice, {"encrypt", system_->folder() / "f"}).exit_code, 0);
  const Finished run =
      system_->coprotect(alice, {"decrypt", system_->folder() / "f.cop", "-o", system_->folder() / "out"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

// Without the sandbox the same attempts succeed: only descriptors are not inherited either way, and the
// memory of a process that is not dumpable is for root.
TEST_F(IntrudingFront, WouldSucceedOutsideTheSandbox) {
  write_file(programs() / "unconfined", "");
  auto outcomes = intrude();
  EXPECT_FALSE(outcomes.at("inherit a descriptor"));
  outcomes.erase("inherit a descriptor");
  for (const auto& [attempt, succeeded] : outcomes)
    EXPECT_EQ(succeeded, geteuid() == 0 || !attempt.starts_with("look into its")) << attempt;
  system_->cloud().kill();
}

}  // namespace
}  // namespace coprotect::harness
