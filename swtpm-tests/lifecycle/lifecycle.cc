#include "swtpm-tests/lifecycle/lifecycle.h"

#include <atomic>

namespace coprotect::harness {
namespace {

constexpr std::string_view kContent = "still readable";

}  // namespace

testing::AssertionResult done(const Finished& run) {
  if (run.exit_code == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "exit " << run.exit_code << (run.timed_out ? " (timed out)" : "")
                                     << "\n"
                                     << run.out << run.err;
}

KeptFile::KeptFile(System& system) : system_(system), sealed_(system.folder() / "kept.cop") {
  write_file(system.folder() / "kept", kContent);
  EXPECT_TRUE(done(system.coprotect(system.admin(), {"encrypt", (system.folder() / "kept").string()})));
}

std::string KeptFile::out() const {
  static std::atomic<int> outputs = 0;
  return (system_.folder() / ("opened-" + std::to_string(++outputs))).string();
}

testing::AssertionResult KeptFile::opens(const std::filesystem::path& config, const std::string& via) const {
  const std::string opened = out();
  const auto run = done(system_.coprotect(config, {"decrypt", "--via", via, sealed(), "-o", opened}));
  if (!run) return run;
  if (read_file(opened) != kContent) return testing::AssertionFailure() << "another content";
  return run;
}

testing::AssertionResult KeptFile::recovers(const std::filesystem::path& kit, const std::string& code) const {
  const std::string opened = out();
  const auto run = done(
      Command(System::program("coprotect"))
          .args({"decrypt", "--recover", "--kit", kit.string(), "--code-fd", "7", sealed(), "-o", opened})
          .feed(7, code + "\n")
          .run());
  if (!run) return run;
  if (read_file(opened) != kContent) return testing::AssertionFailure() << "another content";
  return run;
}

void expect_opens_without(const KeptFile& file, Agent& agent, const std::filesystem::path& kit,
                          const std::string& code) {
  agent.stop();
  EXPECT_TRUE(file.recovers(kit, code)) << "without " << agent.folder();
}

void expect_every_quorum(const KeptFile& file, const std::filesystem::path& config, Agent& one, Agent& other,
                         const std::filesystem::path& kit, const std::string& code) {
  EXPECT_TRUE(file.opens(config)) << "with both agents";
  for (Agent* const agent : {&one, &other}) {
    expect_opens_without(file, *agent, kit, code);
    ASSERT_TRUE(agent->start());
  }
}

}  // namespace coprotect::harness
