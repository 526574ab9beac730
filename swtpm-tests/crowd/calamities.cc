#include "swtpm-tests/crowd/calamities.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>

#include "protocol/base/fd.h"

namespace coprotect::harness::crowd {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Where a client's and an agent's clock may differ by at most (SPEC.md §7.1).
constexpr std::chrono::seconds kWindow = 5min;

}  // namespace

void FullDisk::set(bool full) {
  if (full == full_) return;
  scene_.system().cloud().daemon().signal(SIGUSR2);
  full_ = full;
}

void FullDisk::step(milliseconds since_begin) {
  set(since_begin % 1'500ms < 1'000ms);
}

void FullDisk::end() {
  set(false);
  scene_.use_program();
}

void KilledProcesses::step(milliseconds since_begin) {
  struct Victim {
    std::string party;
    std::string name;  // as long as Linux keeps it
  };
  static const std::array<Victim, 6> kVictims = {{{"cloud", "coprotect-front"},
                                                  {"company", "coprotect-front"},
                                                  {"cloud", "coprotect-relay"},
                                                  {"company", "coprotect-relay"},
                                                  {"cloud", "coprotect-token"},
                                                  {"company", "coprotect-token"}}};
  // One that is killed within a minute of its start is started again after longer and longer pauses.
  constexpr milliseconds kBetween = 600ms;
  constexpr milliseconds kAgain = 65s;
  const auto round = since_begin / kAgain;
  const auto in_round = static_cast<std::size_t>(since_begin % kAgain / kBetween);
  const std::size_t due =
      static_cast<std::size_t>(round) * kVictims.size() + std::min(in_round, kVictims.size());
  if (killed_ >= due) return;
  const Victim& victim = kVictims[killed_++ % kVictims.size()];
  const pid_t process = child_of(scene_.agent(victim.party).daemon().pid(), victim.name);
  if (process > 0) ::kill(process, SIGKILL);
}

void KilledAgents::step(milliseconds since_begin) {
  if (since_begin < (killed_ + 1) * 2s) return;
  Agent& agent = scene_.agent(kParties[killed_++ % kParties.size()]);
  const auto begin = Clock::now();
  agent.kill();
  EXPECT_TRUE(agent.start());
  started_within_ = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

JumpingClock::JumpingClock(Scene& scene, std::chrono::seconds by)
    : scene_(scene), by_(by), file_(scene.system().folder() / ("clock-" + std::to_string(by.count()))) {
  write_file(file_, std::string(sizeof(Seconds), '\0'));
  const Fd fd(open(file_.c_str(), O_RDWR | O_CLOEXEC));
  void* const memory = mmap(nullptr, sizeof(Seconds), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  invariant(memory != MAP_FAILED);
  ahead_ = static_cast<Seconds*>(memory);
}

JumpingClock::~JumpingClock() {
  munmap(ahead_, sizeof(Seconds));
}

std::string JumpingClock::name() const {
  return "a clock that jumps by " +
         (by_ < 1h ? std::to_string(by_ / 1min) + " minutes" : std::to_string(by_ / 1h) + " hours");
}

void JumpingClock::prepare() {
  scene_.use_twin({"COPROTECT_CLOCK=" + file_.string()});
}

// Ahead, right, behind, right.
void JumpingClock::step(milliseconds since_begin) {
  const std::array<std::chrono::seconds, 4> times = {by_, 0s, -by_, 0s};
  *ahead_ = times[static_cast<std::size_t>(since_begin / 700ms) % times.size()].count();
}

void JumpingClock::end() {
  *ahead_ = 0;
  scene_.use_program();
}

std::optional<std::string> JumpingClock::harms() const {
  return by_ < kWindow ? std::nullopt : std::optional<std::string>("cloud");
}

}  // namespace coprotect::harness::crowd
