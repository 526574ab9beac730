#include "client/cli/plan.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "client/cli/misnamed.h"
#include "client/cli/read_files.h"
#include "client/cli/report_file.h"
#include "protocol/file/magic.h"
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
  // The only output of a plan.
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
  EXPECT_EQ(opened->jobs[1].input_place.relative, "sub/b.cop");
  EXPECT_EQ(opened->jobs[1].output_place.relative, "sub/b");
  EXPECT_EQ(opened->jobs[1].output_place.tree->root(), in("out"));
  const auto several = plan(Direction::open, {in("tree/"), in("x.cop")}, true, in("out"));
  ASSERT_TRUE(several && several->jobs.size() == 3);
  EXPECT_EQ(several->jobs[0].output_name(), in("out/tree/a"));
  EXPECT_EQ(several->jobs[0].output_place.relative, "tree/a");
  EXPECT_EQ(several->jobs[2].output_place.tree, several->output_tree);
  EXPECT_EQ(several->jobs[2].output_name(), in("out/x"));
}

TEST_F(PlanTest, HasReportsThatFollowNoLink) {
  fs::create_directories(folder_ / "out");
  fs::create_directories(folder_ / "elsewhere");
  fs::create_directory_symlink("../elsewhere", folder_ / "out/sub");
  fs::create_symlink("elsewhere/report", folder_ / "report");
  const auto tree = std::make_shared<Tree>(folder_ / "out");
  EXPECT_TRUE(ReportFile::open(in("out/report"), tree));
  EXPECT_TRUE(ReportFile::open(in("plain"), tree));
  EXPECT_TRUE(ReportFile::open("/dev/stderr", tree));
  for (const char* const linked : {"out/sub/report", "out/../out/sub/report", "report"})
    EXPECT_EQ(ReportFile::open(in(linked), tree).error().code(), Code::conflict) << linked;
  EXPECT_EQ(ReportFile::open(in("report"), nullptr).error().code(), Code::conflict);
  EXPECT_TRUE(fs::is_empty(folder_ / "elsewhere"));
}

TEST_F(PlanTest, AddsToReportsAlone) {
  for (const char* const file : {"x", "x.cop"}) {
    EXPECT_EQ(ReportFile::open(in(file), nullptr).error().code(), Code::conflict) << file;
    EXPECT_EQ(fs::file_size(folder_ / file), 5u);
  }
  std::ofstream(folder_ / "empty") << "";
  for (const char* const file : {"new", "empty"}) {
    for (int i = 0; i < 2; ++i) {
      auto report = ReportFile::open(in(file), nullptr);
      ASSERT_TRUE(report) << report.error().message();
      ASSERT_TRUE(i == 0 ? report->summarize() : report->add({.path = "a", .result = "done"}));
    }
    EXPECT_TRUE(ReportFile::open(in(file), nullptr));
  }
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

// The paths of the failures, one by one.
std::vector<std::string> failed_of(const Plan& plan) {
  std::vector<std::string> files;
  for (const auto& [file, why] : plan.failed) files.push_back(file);
  return files;
}

TEST_F(PlanTest, LetsFilesThatWouldBecomeOneFailAlone) {
  fs::create_directories(folder_ / "other/tree/sub");
  std::ofstream(folder_ / "other/tree/sub/b.cop") << "another";
  const auto both = plan(Direction::open, {in("tree"), in("other/tree")}, true, in("out"));
  ASSERT_TRUE(both) << both.error().message();
  EXPECT_EQ(output(both), in("out/tree/a"));
  EXPECT_EQ(failed_of(*both), (std::vector<std::string>{in("tree/sub/b.cop"), in("other/tree/sub/b.cop")}));
  const std::string why = both->failed.front().second.message();
  EXPECT_NE(why.find("would become \"" + in("out/tree/sub/b") + "\", as \"" + in("other/tree/sub/b.cop")),
            std::string::npos)
      << why;
}

// A user who can write into the tree must not block the rest of it.
TEST_F(PlanTest, LetsHostileNamesFailAlone) {
  for (const char* const file : {"tree/..cop", "tree/...cop", "tree/sub/...cop"})
    std::ofstream(folder_ / file) << "12345";
  for (const auto& out : {std::optional<std::string>(), std::optional(in("out"))}) {
    const auto opened = plan(Direction::open, {in("tree")}, true, out);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(opened->jobs.size(), 2u);
    EXPECT_EQ(failed_of(*opened),
              (std::vector<std::string>{in("tree/...cop"), in("tree/..cop"), in("tree/sub/...cop")}));
  }
  EXPECT_EQ(plan(Direction::open, {in("tree/..cop"), in("x.cop")})->jobs.size(), 1u);
  // In place they have a name.
  EXPECT_EQ(plan_in_place({in("tree")}, true)->jobs.size(), 5u);
}

// A file that fails before it is read is not overwritten by another file's output either.
TEST_F(PlanTest, LetsNoOutputReplaceWhatFails) {
  for (const char* const file : {"tree/..cop", "tree/..cop.cop"}) std::ofstream(folder_ / file) << "12345";
  const auto opened = plan(Direction::open, {in("tree")}, true);
  ASSERT_TRUE(opened) << opened.error().message();
  const ReadFiles read({}, *opened);
  for (const Job& job : opened->jobs)
    EXPECT_EQ(bool{read.check_output(job)}, job.output != in("tree/..cop")) << job.output_name();
  EXPECT_FALSE(read.check_report(in("tree/..cop"), *opened));
}

// Root can examine everything, so the test continues as a user who cannot.
class NotRoot {
 public:
  NotRoot() : was_(geteuid()) { EXPECT_EQ(was_ == 0 ? seteuid(65534) : 0, 0); }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;
  ~NotRoot() { EXPECT_EQ(seteuid(was_), 0); }

 private:
  const uid_t was_;
};

TEST_F(PlanTest, FailsWhatCannotBeLookedAt) {
  fs::create_directories(folder_ / "tree/closed");
  std::ofstream(folder_ / "tree/closed/c.cop") << "12345";
  const auto make_plan_as_user = [&](fs::perms closed) {
    fs::permissions(folder_, fs::perms(0755));
    fs::permissions(folder_ / "tree/closed", closed);
    const NotRoot user;
    auto made = plan(Direction::open, {in("tree")}, true);
    auto in_place = plan_in_place({in("tree")}, true);
    EXPECT_TRUE(made && in_place);
    EXPECT_EQ(failed_of(*made), failed_of(*in_place));
    EXPECT_EQ(made->jobs.size(), in_place->jobs.size());
    return *std::move(made);
  };
  // The folder can be listed, but its entries cannot be examined.
  const Plan names_only = make_plan_as_user(fs::perms(geteuid() == 0 ? 0744 : 0400));
  EXPECT_EQ(names_only.jobs.size(), 2u);
  EXPECT_EQ(names_only.skipped.size(), 1u);
  ASSERT_EQ(failed_of(names_only), std::vector<std::string>{in("tree/closed/c.cop")});
  EXPECT_EQ(names_only.failed[0].second.message(), "cannot be looked at: Permission denied");

  const Plan nothing = make_plan_as_user(fs::perms(geteuid() == 0 ? 0700 : 0000));
  EXPECT_EQ(nothing.jobs.size(), 2u);
  ASSERT_EQ(failed_of(nothing), std::vector<std::string>{in("tree/closed")});
  EXPECT_EQ(nothing.failed[0].second.message(), "the folder cannot be read: Permission denied");

  const Plan all = make_plan_as_user(fs::perms(0755));
  EXPECT_EQ(all.jobs.size(), 3u);
  EXPECT_TRUE(all.failed.empty());
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

// An encrypted file without .cop would keep its old key, and be lost with that key.
TEST_F(PlanTest, ChangesEncryptedFilesUnderAnyName) {
  for (const char* const name : {"tree/report.pdf", "tree/sub/Y.COP"})
    std::ofstream(folder_ / name) << protocol::kHeaderMagic << "and more";
  fs::create_symlink("report.pdf", folder_ / "tree/link");
  const auto plan = plan_in_place({in("tree")}, true);
  ASSERT_TRUE(plan) << plan.error().message();
  std::set<std::string> files;
  for (const Job& job : plan->jobs) {
    EXPECT_EQ(job.input, job.output);
    EXPECT_TRUE(job.input_place && job.output_place);
    files.insert(job.name());
  }
  EXPECT_EQ(files, (std::set<std::string>{in("tree/a.cop"), in("tree/report.pdf"), in("tree/sub/Y.COP"),
                                          in("tree/sub/b.cop")}));
  using Skipped = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(plan->skipped,
            (Skipped{{in("tree/a"), "not encrypted"}, {in("tree/link"), "symbolic links are not followed"}}));
}

TEST_F(PlanTest, FailsForWhatItsNameHides) {
  std::ofstream(folder_ / "tree/report.pdf") << protocol::kHeaderMagic << "and more";
  std::ofstream(folder_ / "tree/sub/c.cop") << protocol::kHeaderMagic << "and more";
  const auto left = [&](Direction direction) {
    Report report(true);
    auto made = plan(direction, {in("tree")}, true, in("out"));
    fail_misnamed(*made, direction, report);
    std::vector<std::string> skipped;
    for (const auto& [file, why] : made->skipped) skipped.push_back(file);
    EXPECT_EQ(report.exit_code(), ExitCode::some_failed);
    return skipped;
  };
  EXPECT_EQ(left(Direction::open), std::vector<std::string>{in("tree/a")});
  EXPECT_EQ(left(Direction::seal), std::vector<std::string>{in("tree/sub/c.cop")});
}

}  // namespace
}  // namespace coprotect::client
