// The memory of a live agent at rest, as a core of it would show it, has nothing of its share.
// Agents are not dumpable, so only root can look.

#include <gtest/gtest.h>

#include <sstream>

#include "protocol/base/arena.h"
#include "swtpm-tests/no_residue.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {
namespace {

// The processes that a process started: of the custodian's, its front and its relay.
std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> children;
  const std::filesystem::path tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::istringstream list(read_file(task.path() / "children"));
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

struct Case {
  std::string suite;
  unsigned hold_seconds;
};

class Memory : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(
        System::Options{.suite = GetParam().suite, .hold_seconds = GetParam().hold_seconds});
    if (HasFailure()) GTEST_FAIL() << "no system";
    system_->token().use();
    write_file(system_->folder() / "f", "some figures");
    const auto alice = system_->add_client("alice");
    for (const auto& arguments :
         {std::vector<std::string>{"encrypt", system_->folder() / "f"},
          {"decrypt", system_->folder() / "f.cop", "-o", system_->folder() / "out"},
          {"decrypt", system_->folder() / "f.cop", "-o", system_->folder() / "again", "--via", "chain"}}) {
      const Finished run = system_->coprotect(alice, arguments);
      ASSERT_EQ(run.exit_code, 0) << run.err;
    }
  }

  std::unique_ptr<System> system_;
};

INSTANTIATE_TEST_SUITE_P(AtRest, Memory,
                         testing::Values(Case{"p256", 300}, Case{"ffdhe3072", 300}, Case{"p256", 0}),
                         [](const auto& instance) {
                           return instance.param.suite +
                                  (instance.param.hold_seconds > 0 ? "Held" : "NotHeld");
                         });

// What would write a core: the limit of it is zero.
testing::AssertionResult never_dumped(pid_t process) {
  const std::string limits = read_file("/proc/" + std::to_string(process) + "/limits");
  constexpr std::string_view kName = "Max core file size";
  const auto at = limits.find(kName);
  if (at == std::string::npos) return testing::AssertionFailure() << "no limit";
  std::istringstream fields(limits.substr(at + kName.size()));
  std::string soft;
  std::string hard;
  fields >> soft >> hard;
  if (soft != "0" || hard != "0") return testing::AssertionFailure() << soft << " " << hard;
  return testing::AssertionSuccess();
}

// A kernel without memfd_secret shows locked memory to root: there a share that is held is seen, and none
// that is not; and it is seen nowhere else.
TEST_P(Memory, HasNothingOfAShareWhereTheKernelCanHideIt) {
  const bool hidden = *locked_memory::install_arena_only() == locked_memory::Kind::secretmem;
  const bool held = GetParam().hold_seconds > 0;
  const AgentShare shares[] = {share_of(system_->cloud()), share_of(system_->company())};
  ASSERT_NE(shares[0].index, shares[1].index);
  for (const std::size_t i : {0u, 1u}) {
    Agent& agent = i == 0 ? system_->cloud() : system_->company();
    const pid_t custodian = agent.daemon().pid();
    const ByteView own = shares[i].share.bytes().reveal();

    const MemorySearch search = search_memory(custodian, own);
    EXPECT_EQ(bool(none(search)), hidden || !held) << none(search).message();
    EXPECT_TRUE(none_in_sight(search));
    EXPECT_GE(search.unreadable_pages, hidden ? 1u : 0u);
    EXPECT_TRUE(none(search_memory(custodian, shares[1 - i].share.bytes().reveal())));
    // The search does read this process: it finds what is no secret.
    EXPECT_FALSE(search_memory(custodian, bytes_of(agent.url())).found.empty());

    auto children = children_of(custodian);
    ASSERT_EQ(children.size(), 1u) << "the starter";
    for (const pid_t started : children_of(children.front())) children.push_back(started);
    ASSERT_EQ(children.size(), 3u) << "front and relay, and no token's process";
    EXPECT_TRUE(never_dumped(custodian));
    for (const pid_t child : children) {
      EXPECT_TRUE(none(search_memory(child, own)));
      EXPECT_TRUE(never_dumped(child));
    }
  }
}

}  // namespace
}  // namespace coprotect::harness
