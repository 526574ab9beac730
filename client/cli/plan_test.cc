#include "client/cli/plan.h"

#include <gtest/gtest.h>

#include <fstream>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

namespace fs = std::filesystem;

class PlanTest : public testing::Test {
 protected:
  PlanTest() {
    fs::create_directories(folder_ / "tree/sub");
    for (const char* const file : {"x", "x.cop", "tree/a", "tree/a.cop", "tree/sub/b.cop"}) {
      std::ofstream(folder_ / file) << "12345";
    }
  }

  std::string in(const std::string& name) const { return (folder_ / name).string(); }
  Result<Plan> plan(Direction direction, const std::vector<std::string>& inputs, bool recursive = false,
                    const std::optional<std::string>& output = {}) const {
    return make_plan(direction, inputs, recursive, output);
  }
  // The one output of a plan.
  std::string output(const Result<Plan>& plan) const {
    EXPECT_TRUE(plan && plan->jobs.size() == 1);
    return plan ? plan->jobs.front().output_name() : plan.error().message();
  }

  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_.path();
};

TEST_F(PlanTest, NamesTheOutputAfterTheInput) {
  EXPECT_EQ(output(plan(Direction::seal, {in("x")})), in("x.cop"));
  EXPECT_EQ(output(plan(Direction::open, {in("x.cop")})), in("x"));
  EXPECT_EQ(output(plan(Direction::open, {in("x.cop")}, false, in("y"))), in("y"));
  EXPECT_EQ(output(plan(Direction::open, {in("x.cop")}, false, in("tree"))), in("tree/x"));
  EXPECT_EQ(output(plan(Direction::open, {in("x.cop")}, false, "-")), "-");
  EXPECT_EQ(output(plan(Direction::open, {"-"})), "-");
  EXPECT_EQ(output(plan(Direction::open, {"-"}, false, in("y"))), in("y"));
  EXPECT_EQ(output(plan(Direction::open, {in("x")}, false, in("y"))), in("y"));
}

TEST_F(PlanTest, KnowsTheSizeOfItsWork) {
  EXPECT_EQ(plan(Direction::open, {in("x.cop"), in("tree/a.cop")}, false, in("out"))->input_size, 10u);
}

TEST_F(PlanTest, MirrorsFolders) {
  const auto opened = plan(Direction::open, {in("tree")}, true, in("out"));
  ASSERT_TRUE(opened && opened->jobs.size() == 2);
  EXPECT_EQ(opened->jobs[0].output_name(), in("out/a"));
  EXPECT_EQ(opened->jobs[1].output_name(), in("out/sub/b"));
  ASSERT_EQ(opened->skipped.size(), 1u);
  EXPECT_EQ(opened->skipped[0].first, in("tree/a"));
  EXPECT_EQ(output(plan(Direction::seal, {in("tree/")}, true)), in("tree/a.cop"));
  const auto several = plan(Direction::open, {in("tree/"), in("x.cop")}, true, in("out"));
  ASSERT_TRUE(several && several->jobs.size() == 3);
  EXPECT_EQ(several->jobs[0].output_name(), in("out/tree/a"));
  EXPECT_EQ(several->jobs[2].output_name(), in("out/x"));
}

TEST_F(PlanTest, RefusesWhatHasNoPlan) {
  EXPECT_FALSE(plan(Direction::seal, {in("tree")}));
  EXPECT_FALSE(plan(Direction::seal, {in("tree")}, true, "-"));
  EXPECT_FALSE(plan(Direction::open, {in("x")}));
  EXPECT_FALSE(plan(Direction::seal, {in("x"), in("tree/a")}, false, "-"));
  EXPECT_FALSE(plan(Direction::seal, {"-", "-"}));
  EXPECT_FALSE(plan(Direction::seal, {"-", in("x")}, false, in("out")));
  EXPECT_FALSE(plan(Direction::seal, {in("x"), in("sub/../x")}, false, in("out")));
}

TEST_F(PlanTest, ChangesEncryptedFilesInPlace) {
  const auto plan = plan_in_place({in("x.cop"), in("tree")}, true);
  ASSERT_TRUE(plan) << plan.error().message();
  std::vector<std::string> files;
  for (const Job& job : plan->jobs) {
    EXPECT_EQ(job.input, job.output);
    files.push_back(job.name());
  }
  EXPECT_EQ(files, (std::vector<std::string>{in("x.cop"), in("tree/a.cop"), in("tree/sub/b.cop")}));
  EXPECT_EQ(plan->skipped.size(), 1u);
  EXPECT_EQ(plan->input_size, 15u);
  EXPECT_FALSE(plan_in_place({in("tree")}, false));
  EXPECT_FALSE(plan_in_place({"-"}, false));
}

}  // namespace
}  // namespace coprotect::client
