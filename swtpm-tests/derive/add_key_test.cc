// Further keys of a company: beside the first one, never at its cost.

#include <gtest/gtest.h>

#include <algorithm>

#include "client/config.h"
#include "client/enrolment.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

const std::vector<std::string> kDerive = {"--purpose", "derive"};

class AddKey : public testing::Test {
 protected:
  // Whether the first key's files open, with both agents.
  void expect_files_open(const std::string& name) {
    const std::string file = (system_.folder() / name).string();
    write_file(file, "still readable");
    Finished run = system_.coprotect(system_.admin(), {"encrypt", file});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    run = system_.coprotect(system_.admin(), {"decrypt", file + ".cop", "-o", file + ".again"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(read_file(file + ".again"), "still readable");
  }
  static bool says(const Finished& run, const std::string& part) {
    return run.err.find(part) != std::string::npos;
  }

  System system_{System::Options{}};
};

TEST_F(AddKey, ClientsMadeAfterwardsKnowIt) {
  const auto before = system_.add_client("alice");
  Finished run = system_.add_key("mail", kDerive);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("[keys.mail]"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("[policy.derive]"), std::string::npos) << run.out;
  run = system_.add_key("archive", {"--purpose", "envelope", "--suite", "ffdhe3072"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(system_.code("mail"), system_.code());

  EXPECT_TRUE(client::read_config(before)->keys.empty());
  const auto config = client::read_config(system_.add_client("bob"));
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_EQ(config->keys.size(), 2u);
  const auto bundle_of = [&](const std::string& name) {
    const auto& key = config->keys.at(name);
    return client::load_bundle(key.bundle, key.key_id);
  };
  const auto mail = bundle_of("mail");
  ASSERT_TRUE(mail) << mail.error().message();
  EXPECT_EQ(mail->parameters()->purpose, protocol::Purpose::derive);
  const auto archive = bundle_of("archive");
  ASSERT_TRUE(archive) << archive.error().message();
  EXPECT_EQ(archive->parameters()->purpose, protocol::Purpose::envelope);
  EXPECT_EQ(archive->parameters()->suite, protocol::SuiteId::ffdhe3072);
  const auto first = client::load_bundle(system_.bundle(), std::nullopt);
  EXPECT_EQ(mail->parameters()->client_ca.der(), first->parameters()->client_ca.der());

  // The other envelope key opens files of its own, and its kit recovers them.
  const std::string file = (system_.folder() / "f").string();
  write_file(file, "archived");
  run = system_.coprotect(system_.admin(), {"encrypt", "--bundle", system_.bundle("archive").string(),
                                            "--key-id", to_hex(archive->key_id()), file});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  system_.cloud().stop();
  run = Command(System::program("coprotect"))
            .args({"decrypt", "--recover", "--kit", system_.kit("archive").string(), "--code-fd", "7",
                   file + ".cop", "-o", file + ".again"})
            .feed(7, system_.code("archive") + "\n")
            .run();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(read_file(file + ".again"), "archived");
  ASSERT_TRUE(system_.cloud().start());
  expect_files_open("first");
}

TEST_F(AddKey, RefusesWhatDoesNotFit) {
  Finished run = system_.add_key("Mail", kDerive);
  EXPECT_NE(run.exit_code, 0);
  EXPECT_TRUE(says(run, "not a key's name")) << run.err;
  run = system_.add_key("../mail", kDerive);
  EXPECT_NE(run.exit_code, 0);

  ASSERT_EQ(system_.add_key("mail", kDerive).exit_code, 0);
  run = system_.add_key_again("other", kDerive);  // with spent invitations
  EXPECT_NE(run.exit_code, 0);
  EXPECT_TRUE(says(run, "used already")) << run.err;

  // Agents that know nothing of this company's clients.
  System stranger(System::Options{.onboarded = false});
  run = Command(System::program("coprotect-provision"))
            .args({"add-key", "mail-2", "--purpose", "derive", "--dir", system_.out().string(),
                   "--cloud-invitation", stranger.cloud().invitation().string(), "--company-invitation",
                   stranger.company().invitation().string(), "--ca-passphrase-fd", "9", "--same-host"})
            .feed(9, "a passphrase for the tests' client CA, long enough\n")
            .run();
  EXPECT_NE(run.exit_code, 0);
  EXPECT_TRUE(says(run, "another cloud agent")) << run.err;
  expect_files_open("first");
}

// The ceremony is the one of kill_test; here it runs beside a key that must not suffer from it.
TEST_F(AddKey, ADeathOnTheWayCostsNoOtherKey) {
  const path log = system_.folder() / "faults";
  const path twin = System::fault_program("coprotect-provision");
  ASSERT_EQ(system_.add_key("whole", kDerive, twin, {"COPROTECT_FAULT_LOG=" + log.string()}).exit_code, 0);
  const std::string passed = read_file(log);
  const auto points = std::count(passed.begin(), passed.end(), '\n');
  ASSERT_GT(points, 20);
  for (const auto at : {points / 3, 2 * points / 3, points - 8, points - 1}) {
    SCOPED_TRACE("dies at point " + std::to_string(at) + " of " + std::to_string(points));
    const std::string name = "key-" + std::to_string(at);
    const Finished died = system_.add_key(name, kDerive, twin, {"COPROTECT_FAULT_AT=" + std::to_string(at)});
    EXPECT_EQ(died.exit_code, 128 + SIGKILL) << died.err;
    expect_files_open(name);
    for (Agent* const agent : {&system_.cloud(), &system_.company()}) {
      agent->kill();
      ASSERT_TRUE(agent->start());
    }
    expect_files_open(name + "-restarted");
    const Finished again = system_.add_key_again(name, kDerive);
    EXPECT_EQ(again.exit_code, 0) << again.err;
  }
  const auto config = client::read_config(system_.add_client("alice"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->keys.size(), 5u);
}

TEST(OnboardWithPurposeDerive, MakesAFirstKeyThatIsNotForFiles) {
  System system(System::Options{.onboarded = false});
  const Finished made =
      Command(System::program("coprotect-provision"))
          .args({"onboard", "--purpose", "derive", "--tenant", "acme", "--out", system.out().string(),
                 "--cloud-invitation", system.cloud().invitation().string(), "--company-invitation",
                 system.company().invitation().string(), "--show-code-fd", "7", "--code-fd", "8",
                 "--ca-passphrase-fd", "9", "--same-host"})
          .retype(7, 8)
          .feed(9, "a passphrase for the tests' client CA, long enough\n")
          .run(std::chrono::seconds(180));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto bundle = client::load_bundle(system.bundle(), std::nullopt);
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle->parameters()->purpose, protocol::Purpose::derive);
  write_file(system.folder() / "f", "text");
  const Finished run = system.coprotect(system.admin(), {"encrypt", (system.folder() / "f").string()});
  EXPECT_EQ(run.exit_code, 3) << run.err;
}

}  // namespace
}  // namespace coprotect::harness
