// Whole agents in a crowd. Honest clients measure their latency in a quiet time, and then beside one
// adversary after another and several together. What each may cost them: docs/LIMITS.md, "Tried with whole
// agents".
//
// COPROTECT_CROWD_SECONDS is for how long each adversary stays. With COPROTECT_CROWD_STRICT=1 the figures are
// those of docs/LIMITS.md; otherwise there is slack, since other tests run on the same machine.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "swtpm-tests/crowd/agent_processes.h"
#include "swtpm-tests/crowd/calamities.h"
#include "swtpm-tests/crowd/combined.h"
#include "swtpm-tests/crowd/crowds.h"
#include "swtpm-tests/crowd/figures.h"
#include "swtpm-tests/crowd/hanging.h"
#include "swtpm-tests/crowd/honest.h"

namespace coprotect::harness::crowd {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr double kRatio = 3;  // p99 to the quiet median
// Without COPROTECT_CROWD_STRICT. Without the limits under test, requests take 30 s or find no place at all.
constexpr double kSlackRatio = 10;
constexpr double kSlackMilliseconds = 10'000;

seconds seconds_each() {
  const char* const text = std::getenv("COPROTECT_CROWD_SECONDS");
  return seconds(text == nullptr ? 4 : std::max(2, std::atoi(text)));
}
bool strict() {
  const char* const text = std::getenv("COPROTECT_CROWD_STRICT");
  return text != nullptr && std::string(text) == "1";
}
const seconds kEach = seconds_each();
const seconds kQuiet = std::clamp(kEach / 2, 2s, 60s);
const milliseconds kPause = kEach > 60s ? 400ms : 40ms;  // a log of hours is to be read at the end

// More than an honest client asks for beside one adversary, and so few that one who tries uses them up.
unsigned requests_a_day() {
  return 100 + static_cast<unsigned>((kEach + kQuiet + 10s) / kPause);
}

class Crowd : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(HasFailure()) << "no system";
    enrol_honest();
    witness_ = scene_.enrol("witness");
  }
  void TearDown() override { std::cout << "\n" << table(rows_) << std::flush; }

  void enrol_honest() {
    honest_.clear();
    for (int i = 0; i < 4; ++i) honest_.push_back(scene_.enrol("honest-" + std::to_string(enrolled_++)));
  }
  void face(Adversary& adversary);
  void expect_everything_opens();
  void expect_everything_recorded();

  // Those with open connections and those without, measured; and at an agent that cannot do its part, one who
  // only sees what it answers.
  struct Measured {
    std::vector<double> kept;
    std::vector<double> fresh;
    std::size_t repeated[2] = {};
    std::vector<Error> failures[2];
    Honest::Tally witness = {};
  };
  template <typename Meanwhile>
  Measured measure(const std::optional<std::string>& harmed, bool witness, Meanwhile meanwhile);
  bool both_open_within(seconds limit);
  std::vector<std::vector<pid_t>> processes() {
    return {lasting_processes_of(scene_.system().cloud()), lasting_processes_of(scene_.system().company())};
  }
  void judge(const Adversary& adversary, const Measured& quiet, const Measured& beside);

  Scene scene_;
  std::vector<Client> honest_;
  int enrolled_ = 0;
  Client witness_;
  Recorded recorded_;
  std::vector<Row> rows_;
};

template <typename Meanwhile>
Crowd::Measured Crowd::measure(const std::optional<std::string>& harmed, bool witness, Meanwhile meanwhile) {
  std::vector<std::string> parties = kParties;
  if (harmed) std::erase(parties, *harmed);
  std::vector<std::unique_ptr<Honest>> clients;
  for (std::size_t i = 0; i < honest_.size(); ++i)
    clients.push_back(std::make_unique<Honest>(Honest::Plan{.client = honest_[i],
                                                            .bundle = &scene_.key(),
                                                            .parties = parties,
                                                            .kept = i % 2 == 0,
                                                            .pause = kPause},
                                               recorded_));
  std::unique_ptr<Honest> seeing;
  if (harmed && witness)
    seeing = std::make_unique<Honest>(Honest::Plan{.client = witness_,
                                                   .bundle = &scene_.key(),
                                                   .parties = {*harmed},
                                                   .kept = true,
                                                   .pause = kPause,
                                                   .deadline = 1s,
                                                   .repeats = false},
                                      recorded_);
  meanwhile();
  Measured all;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    Honest::Tally tally = clients[i]->end();
    auto& times = i % 2 == 0 ? all.kept : all.fresh;
    times.insert(times.end(), tally.milliseconds.begin(), tally.milliseconds.end());
    all.repeated[i % 2] += tally.repeated;
    std::ranges::copy(tally.failures, std::back_inserter(all.failures[i % 2]));
  }
  if (seeing) all.witness = seeing->end();
  return all;
}

bool Crowd::both_open_within(seconds limit) {
  for (const std::string& party : kParties) {
    Asking asking(scene_.key(), witness_, party, 5s);
    Status opened = Error(Code::unavailable, "not asked");
    for (const auto end = Clock::now() + limit; !opened && Clock::now() < end;
         std::this_thread::sleep_for(50ms)) {
      const Sealed sealed = seal(scene_.key());
      const client::LockedFile one = locked(sealed);
      opened = asking.ask(std::span(&one, 1));
      if (opened) recorded_.answered(party, sealed.c1_hash);
    }
    EXPECT_TRUE(opened) << party << ": " << opened.error().message();
    if (!opened) return false;
  }
  return true;
}

void Crowd::face(Adversary& adversary) {
  SCOPED_TRACE(adversary.name());
  if (adversary.limits_a_day()) enrol_honest();
  adversary.prepare();
  ASSERT_TRUE(both_open_within(60s));
  EXPECT_TRUE(wait_until_idle(scene_, 120s));
  const auto before = processes();
  const Measured quiet = measure(adversary.harms(), false, [] { std::this_thread::sleep_for(kQuiet); });
  const Measured beside = measure(adversary.harms(), true, [&] {
    const auto begin = Clock::now();
    adversary.begin();
    for (auto since = 0ms; since < kEach;
         since = std::chrono::duration_cast<milliseconds>(Clock::now() - begin)) {
      adversary.step(since);
      std::this_thread::sleep_for(20ms);
    }
  });
  if (!adversary.ends_processes()) {
    EXPECT_EQ(processes(), before) << "a process ended that nobody killed";
  }
  adversary.end();
  EXPECT_TRUE(scene_.system().cloud().running() && scene_.system().company().running());
  ASSERT_TRUE(both_open_within(60s));
  judge(adversary, quiet, beside);
}

void Crowd::judge(const Adversary& adversary, const Measured& quiet, const Measured& beside) {
  const auto harmed = adversary.harms();
  const std::string asked = !harmed ? "both" : *harmed == "cloud" ? "company" : "cloud";
  for (const bool fresh : {false, true}) {
    const Row row{.adversary = adversary.name(),
                  .connections = fresh ? "fresh" : "kept",
                  .asked = asked,
                  .quiet = figures_of(fresh ? quiet.fresh : quiet.kept),
                  .beside = figures_of(fresh ? beside.fresh : beside.kept),
                  .repeated = beside.repeated[fresh],
                  .failed = beside.failures[fresh].size()};
    rows_.push_back(row);
    SCOPED_TRACE(row.connections);
    EXPECT_GT(row.beside.count, 0u);
    for (const Error& failure : beside.failures[fresh]) ADD_FAILURE() << failure.message();
    for (const Error& failure : quiet.failures[fresh]) ADD_FAILURE() << "quiet: " << failure.message();
    if (adversary.why_repeated().empty()) {
      EXPECT_EQ(row.repeated, 0u) << "answered unavailable";
    }
    const auto limit = adversary.limit();
    const double most = limit ? static_cast<double>(limit->count()) : kRatio * row.quiet.median;
    EXPECT_LE(row.beside.p99, strict() ? most : kSlackRatio * most + kSlackMilliseconds);
  }
  for (const Error& refusal : beside.witness.failures)
    EXPECT_TRUE(adversary.excuses().contains(refusal.code())) << refusal.message();
  std::cout << adversary.name() << "\n";
  if (!adversary.account().empty()) std::cout << "    " << adversary.account() << "\n";
  if (harmed)
    std::cout << "    the " << *harmed << " agent answered " << beside.witness.milliseconds.size()
              << " requests meanwhile and refused " << beside.witness.failures.size() << "\n";
  std::cout << std::flush;
}

void Crowd::expect_everything_opens() {
  const auto file = [this](const std::string& name) { return (scene_.system().folder() / name).string(); };
  const auto& alice = honest_.front().config;
  write_file(file("f"), "some figures");
  ASSERT_EQ(scene_.system().coprotect(alice, {"encrypt", file("f")}).exit_code, 0);
  const auto expect_opened = [&](const Finished& run, const std::string& name) {
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(read_file(file(name)), "some figures");
  };
  expect_opened(scene_.system().coprotect(alice, {"decrypt", file("f.cop"), "-o", file("by-agents")}),
                "by-agents");
  for (Agent* const agent : {&scene_.system().cloud(), &scene_.system().company()}) {
    agent->stop();
    const std::string name = "without-" + agent->folder().filename().string();
    expect_opened(scene_.system().recover({file("f.cop"), "-o", file(name)}), name);
    ASSERT_TRUE(agent->start());
  }
  for (const auto* const bundle : {&scene_.dear_key(), &scene_.cold_key()})
    for (const std::string& party : kParties) {
      const Sealed sealed = seal(*bundle);
      const client::LockedFile one = locked(sealed);
      Asking asking(*bundle, honest_.front(), party, 30s);
      const Status opened = asking.ask(std::span(&one, 1));
      EXPECT_TRUE(opened) << opened.error().message();
    }
}

void Crowd::expect_everything_recorded() {
  for (const std::string& party : kParties) {
    const auto missing = recorded_.missing_in_log(scene_, party);
    EXPECT_TRUE(missing.empty()) << "the " << party << " agent answered " << missing.size()
                                 << " requests that its log does not have, such as of " << *missing.begin();
    std::cout << "the " << party << " agent's log has each of the " << recorded_.answers(party)
              << " honest requests that it answered\n";
  }
}

TEST_F(Crowd, CostsHonestClientsNoMoreThanAMoment) {
  std::cout << "each adversary stays for " << kEach.count() << " s after " << kQuiet.count() << " s of quiet"
            << (strict() ? ", without slack" : "") << std::endl;
  const auto strangers = std::make_shared<StrangersEverywhere>(scene_);
  const auto removed = std::make_shared<RemovedClient>(scene_);
  const auto dear = std::make_shared<DearBatches>(scene_, kEach < 60s ? 2 : 17);
  const auto exhausting = std::make_shared<Exhausting>(scene_, requests_a_day());
  const auto peer = std::make_shared<HangingPeer>(scene_);
  const auto chip = std::make_shared<HangingChip>(scene_);
  Combined clients("strangers and these three clients together", {strangers, removed, dear, exhausting});
  Combined all("all of these, a peer and a chip that hang",
               {chip, strangers, removed, dear, exhausting, peer});
  FullDisk disk(scene_);
  KilledProcesses processes(scene_);
  KilledAgents agents(scene_);
  JumpingClock minutes(scene_, 4min);
  JumpingClock day(scene_, 24h);
  for (Adversary* const adversary : std::initializer_list<Adversary*>{
           strangers.get(), removed.get(), dear.get(), exhausting.get(), peer.get(), chip.get(), &clients,
           &all, &processes, &agents, &disk, &minutes, &day}) {
    face(*adversary);
    if (HasFatalFailure()) break;
  }
  ASSERT_FALSE(HasFatalFailure());
  expect_everything_opens();
  expect_everything_recorded();
}

}  // namespace
}  // namespace coprotect::harness::crowd
