// The life of a key: each story of docs/runbooks from beginning to end, with real daemons and chips.

#include <algorithm>
#include <atomic>
#include <thread>

#include "protocol/bundle/bundle.h"
#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

constexpr const char* kQuickPolicy = "delay_seconds = 2\n";

class LifecycleHandover : public testing::TestWithParam<std::string> {
 protected:
  static System::Options options() { return {.suite = GetParam(), .handover_policy = kQuickPolicy}; }
  std::string out() const { return system.out().string(); }
  Finished refresh() { return system.provision({"refresh", "--dir", out()}); }
  std::string holders() { return system.provision({"holders", "--dir", out()}).out; }
  std::vector<std::string> restore_args(const Agent& agent, const std::filesystem::path& to) const {
    return {"restore",
            "--kit",
            system.kit().string(),
            "--invitation",
            agent.invitation().string(),
            "--out",
            to.string(),
            "--key-list",
            "0"};
  }

  System system{options()};
  const KeptFile file{system};
};
INSTANTIATE_TEST_SUITE_P(Suites, LifecycleHandover, testing::Values("p256", "ffdhe3072"),
                         [](const auto& suite) { return suite.param; });

TEST_P(LifecycleHandover, RefreshChangesSharesAndNothingElse) {
  const auto alice = system.add_client("alice");
  const std::string first_kit = (system.folder() / "first.kit").string();
  std::filesystem::copy_file(system.kit(), first_kit);
  const Finished plan = system.provision({"refresh", "--dir", out(), "--plan"});
  EXPECT_TRUE(done(plan));
  EXPECT_NE(plan.out.find("to the next epoch, any 2 of 3 shares"), std::string::npos) << plan.out;
  EXPECT_EQ(plan.out.find("NEW"), std::string::npos) << plan.out;
  EXPECT_NE(holders().find("epoch 0"), std::string::npos);

  // Requests meanwhile succeed, in the epoch before or the new one.
  std::atomic<bool> over = false;
  std::atomic<int> opened = 0;
  std::thread reader([&] {
    while (!over) {
      EXPECT_TRUE(file.opens(alice));
      ++opened;
    }
  });
  for (int epoch = 1; epoch <= 3; ++epoch) {
    const Finished run = refresh();
    EXPECT_TRUE(done(run));
    EXPECT_NE(run.out.find("epoch " + std::to_string(epoch)), std::string::npos) << run.out;
    EXPECT_EQ(run.err.find("lied"), std::string::npos) << run.err;
  }
  over = true;
  reader.join();
  EXPECT_GT(opened, 0);
  EXPECT_TRUE(file.opens(alice));
  expect_every_quorum(file, system.admin(), system.cloud(), system.company(), system.kit(), system.code());
  EXPECT_TRUE(file.recovers(first_kit, system.code())) << "a kit from before follows the key";
}

// What a tool at the company left unfinished, an administrator at the provider sees and takes back.
TEST_P(LifecycleHandover, AnAdministratorOfEitherPartyAborts) {
  const auto twin = System::fault_program("coprotect-provision");
  const auto log = system.folder() / "faults";
  ASSERT_TRUE(done(
      system.hand_over({"refresh", "--dir", out()}, false, twin, {"COPROTECT_FAULT_LOG=" + log.string()})));
  const std::string points = read_file(log);
  const std::size_t found = points.find("after send handover prepare to cloud");
  ASSERT_NE(found, std::string::npos) << points;
  const auto at = 1 + std::count(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(found), '\n');
  const Finished died = system.hand_over({"refresh", "--dir", out()}, false, twin,
                                         {"COPROTECT_FAULT_AT=" + std::to_string(at)});
  ASSERT_EQ(died.exit_code, 128 + SIGKILL) << died.err;
  const std::string waiting = "the cloud agent confirmed a handover that is not finished";

  const auto provider = system.folder() / "provider";
  std::filesystem::create_directory(provider);
  const auto config = system.add_client("operations", {"--role", "admin"});
  std::filesystem::rename(config.parent_path(), provider / "admin");
  std::filesystem::copy_file(system.bundle(), provider / "acme.bundle");
  const Finished seen = system.provision({"holders", "--dir", provider.string()});
  EXPECT_NE(seen.out.find(waiting), std::string::npos) << seen.out << seen.err;
  EXPECT_TRUE(file.opens(system.admin()));
  EXPECT_TRUE(done(system.provision({"abort", "--dir", provider.string()})));
  EXPECT_EQ(holders().find(waiting), std::string::npos);
  EXPECT_TRUE(file.opens(system.admin()));
  EXPECT_TRUE(done(refresh()));
}

TEST_P(LifecycleHandover, AForgottenCodeIsReplaced) {
  const std::string old_code = system.code();
  const auto old_kit = system.folder() / "old.kit";
  std::filesystem::copy_file(system.kit(), old_kit);
  const std::vector<std::string> args = {"new-code", "--dir", out()};
  ASSERT_TRUE(done(system.hand_over(args, true)));
  EXPECT_NE(system.code(), old_code);
  expect_every_quorum(file, system.admin(), system.cloud(), system.company(), system.kit(), system.code());
  const auto with_old = file.recovers(old_kit, old_code);
  EXPECT_FALSE(with_old) << "the old code opens nothing any more";

  // As the folder stands if agents said that it was taken back, and show later that it was not.
  const auto aside = system.out() / "taken-back-1";
  std::filesystem::create_directory(aside);
  std::filesystem::rename(system.kit(), aside / "acme.kit");
  std::filesystem::copy_file(old_kit, system.kit());
  const Finished refreshed = system.hand_over({"refresh", "--dir", out()});
  EXPECT_EQ(refreshed.exit_code, 0) << refreshed.err;
  EXPECT_NE(refreshed.err.find("one of them lied"), std::string::npos) << refreshed.err;
  const std::string code = system.code();
  ASSERT_TRUE(done(system.hand_over(args, true)));
  system.keep_code(code);
  EXPECT_FALSE(std::filesystem::exists(aside));
  expect_every_quorum(file, system.admin(), system.cloud(), system.company(), system.kit(), system.code());

  // An approval is of one plan: the next one needs another.
  system.approving = std::vector<const Agent*>{};
  const Finished again = system.hand_over({"new-code", "--dir", out(), "--wait", "1"}, true);
  EXPECT_EQ(again.exit_code, 6) << again.out << again.err;
  EXPECT_NE(again.err.find("waits for the operator of the "), std::string::npos) << again.err;
  expect_every_quorum(file, system.admin(), system.cloud(), system.company(), system.kit(), system.code());
}

TEST_P(LifecycleHandover, ANewCodeNeedsBothOperators) {
  system.approving = {&system.cloud()};
  const Finished run = system.hand_over({"new-code", "--dir", out(), "--wait", "3"}, true);
  EXPECT_EQ(run.exit_code, 6) << run.out << run.err;
  EXPECT_NE(run.err.find("waits for the operator of the company agent"), std::string::npos) << run.err;
  EXPECT_TRUE(file.opens(system.admin()));
}

TEST_P(LifecycleHandover, ACompanyThatLostEverythingIsRestored) {
  const auto kit = system.folder() / "safe.kit";
  std::filesystem::copy_file(system.kit(), kit);
  system.company().stop();
  EXPECT_TRUE(file.recovers(kit, system.code())) << "what is urgent, at once";
  const auto lost = system.folder() / "lost";
  std::filesystem::rename(system.out(), lost);

  Agent& fresh = system.add_agent("company", "company-again", false);
  const std::vector<std::string> args = {"restore",
                                         "--kit",
                                         kit.string(),
                                         "--invitation",
                                         fresh.invitation().string(),
                                         "--out",
                                         system.out().string(),
                                         "--key-list",
                                         "0"};
  std::vector<std::string> planned = args;
  planned.push_back("--plan");
  const Finished plan = system.hand_over(planned);
  EXPECT_TRUE(done(plan));
  EXPECT_NE(plan.out.find(fresh.url()), std::string::npos) << plan.out;
  EXPECT_NE(plan.out.find("no key list: every key is as it was made"), std::string::npos) << plan.out;
  const Finished early = system.hand_over(args);
  EXPECT_EQ(early.exit_code, 6) << early.out << early.err;
  EXPECT_NE(early.err.find("announced; it may begin at"), std::string::npos) << early.err;
  std::vector<std::string> waiting = args;
  waiting.push_back("--wait");
  const std::string opened = "code and kit stay the same, and just now opened the recovery parts of ";
  const Finished restored = system.hand_over(waiting);
  ASSERT_TRUE(done(restored));
  EXPECT_NE(restored.out.find(opened + "cloud, company\n"), std::string::npos) << restored.out;
  fresh.stop();
  const Finished repeated = system.hand_over(args);
  ASSERT_TRUE(done(repeated)) << "may be repeated";
  EXPECT_NE(repeated.out.find(opened + "cloud\n"), std::string::npos) << repeated.out;
  EXPECT_NE(repeated.err.find("was not seen to open the recovery parts of the company agent: "),
            std::string::npos)
      << repeated.err;
  ASSERT_TRUE(fresh.start());
  EXPECT_TRUE(file.opens(system.admin())) << "with the new agent and the new administrator";
  expect_every_quorum(file, system.admin(), system.cloud(), fresh, system.kit(), system.code());

  // The lost host comes back, with its share of the epoch before: nobody combines with it.
  ASSERT_TRUE(system.company().start());
  const auto old_admin = lost / "admin" / "config.toml";
  fresh.stop();
  EXPECT_FALSE(file.opens(old_admin));
  ASSERT_TRUE(fresh.start());
  // And the restored folder can do what the lost one could.
  EXPECT_TRUE(done(refresh()));
  EXPECT_TRUE(file.opens(system.add_client("bob")));
}

TEST_P(LifecycleHandover, TheAdministratorVetoesAThiefOfKitAndCode) {
  Agent& thief = system.add_agent("company", "thief", true);
  const auto args = restore_args(thief, system.folder() / "loot");
  EXPECT_EQ(system.hand_over(args).exit_code, 6);
  EXPECT_NE(holders().find("announced at the cloud agent"), std::string::npos) << holders();
  const Finished veto = system.provision({"veto", "--dir", out()});
  EXPECT_TRUE(done(veto));
  std::this_thread::sleep_for(std::chrono::seconds(3));
  const Finished late = system.hand_over(args);
  EXPECT_EQ(late.exit_code, 3);
  EXPECT_NE(late.err.find("vetoed"), std::string::npos) << late.err;
  EXPECT_TRUE(file.opens(system.admin()));
}

TEST_P(LifecycleHandover, AProviderThatIsGoneIsReplaced) {
  const auto alice = system.add_client("alice");
  system.cloud().stop();
  EXPECT_TRUE(file.recovers()) << "offline, with the company's agent alone";
  Agent& other = system.add_agent("cloud", "other-cloud", true, false);
  std::vector<std::string> args = {
      "reshare", "--dir", out(), "--invitation", other.invitation().string(), "--kit", system.kit().string()};
  // Nobody has seen the new provider's organisation: it is let in word for word.
  const Finished unknown = system.hand_over(args);
  EXPECT_EQ(unknown.exit_code, 3);
  const std::string marker = "--allow-quorum '";
  const std::size_t from = unknown.err.find(marker);
  ASSERT_NE(from, std::string::npos) << unknown.err;
  const std::size_t begin = from + marker.size();
  const std::string words = unknown.err.substr(begin, unknown.err.find('\'', begin) - begin);
  EXPECT_NE(words.find("agent of unknown organisation "), std::string::npos) << words;
  const Finished plan = system.hand_over({"restore", "--kit", system.kit().string(), "--invitation",
                                          other.invitation().string(), "--out",
                                          (system.folder() / "planned").string(), "--plan"});
  EXPECT_TRUE(done(plan));
  EXPECT_NE(plan.out.find("NEWS: these cannot use the key today"), std::string::npos) << plan.out;
  EXPECT_EQ(holders().find("announced"), std::string::npos) << holders();
  args.insert(args.end(), {"--allow-quorum", words});
  ASSERT_TRUE(done(system.hand_over(args)));
  ASSERT_TRUE(done(system.hand_over(args))) << "may be repeated";
  EXPECT_TRUE(file.opens(alice)) << "the company's agent tells alice of the new provider";
  expect_every_quorum(file, system.admin(), other, system.company(), system.kit(), system.code());
  // The old provider kept its share. It is of an epoch that nobody else answers for.
  ASSERT_TRUE(system.cloud().start());
  EXPECT_TRUE(file.opens(alice));
}

TEST_P(LifecycleHandover, MovesToThreeOfFiveAndBack) {
  const auto alice = system.add_client("alice");
  Agent& cloud_b = system.add_agent("cloud-b", "cloud-b", true);
  Agent& company_b = system.add_agent("company-b", "company-b", false);
  const std::vector<Agent*> four = {&system.cloud(), &system.company(), &cloud_b, &company_b};
  std::vector<std::string> args = {"reshare", "--dir", out(), "--threshold", "3", "--our-agent", "company-b"};
  for (const Agent* const agent : {&cloud_b, &company_b}) {
    args.push_back("--invitation");
    args.push_back(agent->invitation().string());
  }
  // With two of five the provider could decrypt alone.
  const std::vector<std::string> two_of_five = {"reshare",
                                                "--dir",
                                                out(),
                                                "--our-agent",
                                                "company-b",
                                                "--invitation",
                                                cloud_b.invitation().string(),
                                                "--invitation",
                                                company_b.invitation().string()};
  const Finished alone = system.hand_over(two_of_five);
  EXPECT_EQ(alone.exit_code, 3);
  EXPECT_NE(alone.err.find("agent of Example Cloud alone"), std::string::npos) << alone.err;
  // A plan says what is news, and changes nothing.
  const auto expect_plan = [&](std::vector<std::string> planned, const std::vector<std::string>& parts) {
    planned.push_back("--plan");
    const Finished plan = system.hand_over(planned);
    EXPECT_TRUE(done(plan));
    for (const std::string& part : parts)
      EXPECT_NE(plan.out.find(part), std::string::npos) << part << "\n" << plan.out;
    EXPECT_NE(holders().find("epoch 0"), std::string::npos) << holders();
  };
  expect_plan(two_of_five, {"any 2 of 5", cloud_b.url(), company_b.url(),
                            "NEWS: these cannot use the key today", "Example Cloud alone"});
  expect_plan(args, {"any 3 of 5", cloud_b.url(), company_b.url()});
  ASSERT_TRUE(done(system.hand_over(args)));
  EXPECT_TRUE(file.opens(alice));
  EXPECT_TRUE(file.opens(alice, "chain")) << "three agents that ask each other";
  EXPECT_TRUE(file.opens(alice, "chain:company-b"));
  for (Agent* const stopped : four) {
    stopped->stop();
    EXPECT_TRUE(file.opens(alice)) << "three agents without " << stopped->folder();
    EXPECT_TRUE(file.opens(alice, "chain")) << "a chain without " << stopped->folder();
    for (Agent* const second : four) {
      if (second <= stopped) continue;
      second->stop();
      EXPECT_FALSE(file.opens(alice)) << "two are too few";
      EXPECT_TRUE(file.recovers()) << "two and the code, without " << stopped->folder() << " and "
                                   << second->folder();
      ASSERT_TRUE(second->start());
    }
    ASSERT_TRUE(stopped->start());
  }

  const std::vector<std::string> back = {"reshare", "--dir",   out(),     "--threshold", "2",
                                         "--leave", "cloud-b", "--leave", "company"};
  ASSERT_TRUE(done(system.hand_over(back)));
  ASSERT_TRUE(done(system.hand_over(back))) << "may be repeated";
  EXPECT_TRUE(file.opens(alice));
  expect_every_quorum(file, system.admin(), system.cloud(), company_b, system.kit(), system.code());
}

// The recovery share has to be among the dealers for that, although enough agents are left without it.
TEST(AnnouncedRestore, NeedsNoOperatorsApprovalInThreeOfFive) {
  System system{{.suite = "p256", .handover_policy = kQuickPolicy}};
  const KeptFile file{system};
  std::vector<std::string> args = {"reshare",     "--dir",    system.out().string(), "--threshold", "3",
                                   "--our-agent", "company-b"};
  for (const std::string name : {"cloud-b", "company-b"}) {
    args.emplace_back("--invitation");
    args.push_back(system.add_agent(name, name, false).invitation().string());
  }
  ASSERT_TRUE(done(system.hand_over(args)));
  const auto kit = system.folder() / "safe.kit";
  std::filesystem::copy_file(system.kit(), kit);
  system.company().stop();
  std::filesystem::rename(system.out(), system.folder() / "lost");
  const Agent& fresh = system.add_agent("company", "company-again", false);
  system.approving.emplace();
  ASSERT_TRUE(
      done(system.hand_over({"restore", "--kit", kit.string(), "--invitation", fresh.invitation().string(),
                             "--out", system.out().string(), "--key-list", "0", "--wait"})));
  EXPECT_TRUE(file.opens(system.admin()));
  EXPECT_TRUE(file.recovers());
}

// The agent that is left has prepared the first one. Nobody can undo that without the lost agent's word.
TEST(AnnouncedRestore, GoesOnAfterOneWhoseNewAgentIsLostToo) {
  System system{{.suite = "p256", .handover_policy = kQuickPolicy}};
  const KeptFile file{system};
  const auto kit = system.folder() / "safe.kit";
  std::filesystem::copy_file(system.kit(), kit);
  system.company().stop();
  std::filesystem::rename(system.out(), system.folder() / "lost");
  const auto restore_with = [&](const Agent& fresh) {
    return system.hand_over({"restore", "--kit", kit.string(), "--invitation", fresh.invitation().string(),
                             "--out", system.out().string(), "--key-list", "0", "--wait"});
  };
  Agent& first = system.add_agent("company", "company-again", false);
  first.stop();
  ASSERT_TRUE(first.start({.with_faults = true, .fault_at = 3}));  // after the cloud has prepared
  EXPECT_NE(restore_with(first).exit_code, 0);
  for (int tries = 0; tries < 100 && first.running(); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_FALSE(first.running());
  first.kill();
  const Finished run = restore_with(system.add_agent("company", "company-once-more", false));
  ASSERT_TRUE(done(run));
  EXPECT_NE(run.err.find("waiting for the company agent"), std::string::npos) << run.err;
  EXPECT_TRUE(file.opens(system.admin()));
  EXPECT_TRUE(file.recovers());
}

// An agent that is to join can vanish at any moment. If the others have confirmed by then, nobody can undo
// what they did: another change of holders replaces it.
TEST(Reshare, GoesOnWithoutAnAgentThatVanishedWhileItJoined) {
  System system{
      {.suite = "p256", .policy = "refreshes_per_key_per_day = 100\n", .handover_policy = kQuickPolicy}};
  const KeptFile file{system};
  const auto out = system.out().string();
  // The words that allow the quorums with the new agent stand between quotes in the hint.
  const auto with = [&](const Agent& joining) {
    std::vector<std::string> args = {"reshare", "--dir", out, "--invitation", joining.invitation().string()};
    const std::string hint = system.hand_over(args).err;
    const std::size_t words = hint.find("--allow-quorum '") + 16;
    args.insert(args.end(), {"--allow-quorum", hint.substr(words, hint.rfind('\'') - words)});
    return args;
  };
  const auto leave = [&](const std::string& name) {
    return system.hand_over({"reshare", "--dir", out, "--leave", name});
  };
  int active = 0;
  int prepared = 0;
  for (long at = 3; active == 0 || prepared == 0; ++at) {  // before, the others have not confirmed
    ASSERT_LT(at, 12);
    SCOPED_TRACE("it dies at point " + std::to_string(at));
    const std::string name = "site-" + std::to_string(at);
    Agent& joining = system.add_agent(name, name, false);
    const auto args = with(joining);
    joining.stop();
    ASSERT_TRUE(joining.start({.with_faults = true, .fault_at = at}));
    EXPECT_NE(system.hand_over(args).exit_code, 0);
    joining.kill();
    const std::vector<std::string> refresh = {"refresh", "--dir", out};
    if (system.hand_over(refresh).exit_code != 0) {
      const Finished left = leave(name);
      ++(left.exit_code == 0 ? active : prepared);
      if (left.exit_code != 0) {
        const Agent& other =
            system.add_agent("other-" + std::to_string(at), "other-" + std::to_string(at), false);
        EXPECT_TRUE(done(system.hand_over(with(other)))) << left.err;
        EXPECT_TRUE(done(leave("other-" + std::to_string(at))));
      }
      EXPECT_TRUE(done(system.hand_over(refresh)));
    }
    EXPECT_TRUE(file.opens(system.admin()));
    if (HasFailure()) return;
  }
  EXPECT_TRUE(file.recovers());
}

}  // namespace
}  // namespace coprotect::harness
