// Agents whose operators are hostile, at live agents with real tokens and TLS: one that joins the key by a
// reshare, and some that show the recovery parts of an older epoch.

#include <gtest/gtest.h>

#include "client/agents.h"
#include "client/recovery.h"
#include "client/signed_call.h"
#include "protocol/base/test_must.h"
#include "protocol/recovery/code.h"
#include "swtpm-tests/hostile/turned_agent.h"
#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

using agent::ipc::Route;

class HostileJoiner : public testing::TestWithParam<std::string> {
 protected:
  std::string out() const { return system.out().string(); }
  Finished reshare() {
    return system.hand_over(
        {"reshare", "--dir", out(), "--leave", "cloud", "--invitation", joins.invitation().string()});
  }
  // What it says in the place of its honest answer to one message of the ceremony.
  void answer(Route message, std::function<Result<Bytes>(Bytes honest)> lie) {
    joiner.tell({.to_tool = [message, lie = std::move(lie)](Route route, Bytes honest) -> Result<Bytes> {
      return route == message ? lie(std::move(honest)) : std::move(honest);
    }});
  }
  static Bytes altered(Bytes answer) {
    answer.back() ^= 1;
    return answer;
  }
  Finished fails(const std::string& words) {
    Finished run = reshare();
    EXPECT_NE(run.exit_code, 0) << run.out;
    EXPECT_LT(run.exit_code, 128) << "ended by a signal";
    EXPECT_NE(run.err.find(words), std::string::npos) << run.err;
    EXPECT_TRUE(file.opens(system.admin()));
    return run;
  }
  void expect_that_nothing_changed() {
    const Finished holders = system.provision({"holders", "--dir", out()});
    EXPECT_TRUE(done(holders));
    EXPECT_NE(holders.out.find(", epoch 0: any 2 of"), std::string::npos) << holders.out;
    for (const char* const unfinished : {"waiting", "older shares", "not finished", "not to be believed"})
      EXPECT_EQ(holders.out.find(unfinished), std::string::npos) << holders.out;
    EXPECT_EQ(bundle_of(system).encoded(), bundle.encoded());
  }

  System system{{.suite = GetParam()}};
  const KeptFile file{system};
  const protocol::Bundle bundle = bundle_of(system);
  Agent& joins = system.add_agent("cloud-b", "cloud-b", true);
  TurnedAgent joiner{joins, system.folder() / "programs", bundle.parameters()->suite,
                     TurnedAgent::Holds::nothing};
};
INSTANTIATE_TEST_SUITE_P(Suites, HostileJoiner, testing::Values("p256", "ffdhe3072"),
                         [](const auto& suite) { return suite.param; });

TEST_P(HostileJoiner, IsNamedAndTheKeyIsServedWhateverItSays) {
  // Before anybody uses the new shares: the handover comes to nothing.
  answer(Route::open, altered);
  fails("cloud-b agent's offer was not made with this invitation");
  expect_that_nothing_changed();
  answer(Route::join, altered);
  fails("cloud-b agent confirms something else");
  expect_that_nothing_changed();
  answer(Route::join, [](Bytes) { return Error(Code::unavailable, "not today"); });
  fails("cloud-b agent");
  expect_that_nothing_changed();
  // A confirmation is no share: it says so, and has none. The epoch before serves.
  answer(Route::activate, [](Bytes) { return Error(Code::unavailable, "not today"); });
  fails("cloud-b agent");
  answer(Route::activate, altered);
  fails("cloud-b agent acknowledges something else");
  const Finished waiting = system.provision({"holders", "--dir", out()});
  EXPECT_TRUE(done(waiting));
  EXPECT_NE(waiting.out.find("keeps older shares until all use epoch"), std::string::npos) << waiting.out;
  EXPECT_TRUE(file.recovers());
  // What it acknowledged, in the end, it holds.
  joiner.tell({});
  EXPECT_TRUE(done(reshare()));
  EXPECT_TRUE(bundle_of(system).parameters().position_of("cloud-b"));
  expect_every_quorum(file, system.admin(), joins, system.company(), system.kit(), system.code());
}

class RolledBackParts : public testing::TestWithParam<std::string> {
 protected:
  std::string out() const { return system.out().string(); }
  // What the agent gives now to who has kit and code: operation 2's plaintext.
  Bytes given_by(const std::string& name) const {
    const std::string content = read_file(system.kit());
    const auto kit = must(protocol::RecoveryKit::parse(bytes_of(content)));
    const Secret code = Secret::copy_of(bytes_of(system.code()));
    const auto opened = must(kit.blob().open(must(protocol::read_code(code.reveal()))));
    const auto administrator = must(client::open_kit_key(kit, opened.recovery_key));
    const protocol::Bundle bundle = bundle_of(system);
    const auto& party = bundle.parameters()->parties[bundle.parameters().position_of(name).value()];
    auto link = client::connect(party, administrator, std::chrono::seconds(20));
    const Secret given = must(
        client::ask(link, bundle, party, administrator,
                    {.endpoint = "recovery-share", .body = protocol::RecoveryShareBody{}, .reason = "a test"},
                    system_random()));
    return Bytes(given.reveal().begin(), given.reveal().end());
  }
  static void shows(TurnedAgent& agent, const Bytes& given) {
    agent.tell({.recovery_share = [given] { return std::optional<Result<Bytes>>(given); }});
  }
  // The date that the agent itself, signed, tells of the code.
  std::string code_opened(const std::string& agent) const {
    const Finished holders = system.provision({"holders", "--dir", out()});
    EXPECT_TRUE(done(holders));
    const auto line = holders.out.find("recovery at the " + agent + " agent: ");
    const std::string words = ", code opened ";
    const auto begin = holders.out.find(words, line);
    if (line == std::string::npos || begin == std::string::npos) return holders.out;
    const auto from = begin + words.size();
    return holders.out.substr(from, holders.out.find('\n', from) - from);
  }

  System system{{.suite = GetParam()}};
  const KeptFile file{system};
  const bool used = (system.token().use(), true);
  TurnedAgent cloud{system.cloud(), system.folder() / "of-cloud", bundle_of(system).parameters()->suite};
  TurnedAgent company{system.company(), system.folder() / "of-company",
                      bundle_of(system).parameters()->suite};
};
INSTANTIATE_TEST_SUITE_P(Suites, RolledBackParts, testing::Values("p256", "ffdhe3072"),
                         [](const auto& suite) { return suite.param; });

TEST_P(RolledBackParts, AreFoundBeforeAKitTakesAnothersPlace) {
  const Bytes old = given_by("cloud");
  EXPECT_NE(code_opened("cloud"), "never") << "onboard opened what it made";
  ASSERT_TRUE(done(system.hand_over({"refresh", "--dir", out()})));
  shows(cloud, old);
  EXPECT_TRUE(file.recovers()) << "with what the other agent keeps";
  shows(company, old);
  EXPECT_FALSE(file.recovers());
  company.tell({});

  // One agent's: it is named, and it alone never saw the new code open.
  const std::vector<std::string> new_code = {"new-code", "--dir", out()};
  const Finished named = system.hand_over(new_code, true);
  ASSERT_TRUE(done(named));
  EXPECT_NE(named.err.find("the code was not seen to open the recovery parts of the cloud agent"),
            std::string::npos)
      << named.err;
  EXPECT_EQ(code_opened("cloud"), "never");
  EXPECT_NE(code_opened("company"), "never");

  // All agents': both kits stay.
  const std::string kit = read_file(system.kit());
  const auto staged = system.out() / ".handover" / "acme.kit";
  shows(company, old);
  Finished refused = system.hand_over(new_code, true);
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(refused.exit_code, 5) << refused.out << refused.err;
    EXPECT_NE(refused.err.find("was not seen to open any agent's recovery parts"), std::string::npos)
        << refused.err;
    EXPECT_NE(refused.err.find("keep the kit and the code of before"), std::string::npos) << refused.err;
    EXPECT_EQ(read_file(system.kit()), kit);
    EXPECT_TRUE(std::filesystem::exists(staged));
    EXPECT_EQ(code_opened("company"), "never");
    EXPECT_TRUE(file.opens(system.admin()));
    if (again == 0) refused = system.hand_over(new_code);  // it asks for the code that it showed
  }
  company.tell({});
  cloud.tell({});
  ASSERT_TRUE(done(system.hand_over(new_code)));
  EXPECT_NE(read_file(system.kit()), kit);
  EXPECT_FALSE(std::filesystem::exists(staged));
  for (const char* const agent : {"cloud", "company"}) EXPECT_NE(code_opened(agent), "never") << agent;
  EXPECT_TRUE(file.recovers());
}

// A key that nobody has used yet: its kit does not leave the place where it is made.
TEST_P(RolledBackParts, OfAnotherKeyKeepAFurtherKeyUnfinished) {
  const Bytes old = given_by("cloud");
  shows(cloud, old);
  shows(company, old);
  const std::vector<std::string> options = {"--purpose", "derive", "--suite", GetParam()};
  const Finished refused = system.add_key("further", options);
  EXPECT_EQ(refused.exit_code, 5) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("was not seen to open any agent's recovery parts"), std::string::npos)
      << refused.err;
  EXPECT_FALSE(std::filesystem::exists(system.kit("further")));
  cloud.tell({});
  company.tell({});
  const Finished again = system.add_key_by_code("further", options);
  EXPECT_TRUE(done(again));
  EXPECT_TRUE(std::filesystem::exists(system.kit("further")));
}

}  // namespace
}  // namespace coprotect::harness
