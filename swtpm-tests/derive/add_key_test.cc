// Further keys of a company: beside the first one, never at its cost.

#include <gtest/gtest.h>

#include <algorithm>

#include "client/agents.h"
#include "client/config.h"
#include "client/enrolment.h"
#include "client/files/encrypted_file.h"
#include "client/partial_exchange.h"
#include "client/recovery.h"
#include "client/signed_call.h"
#include "protocol/base/test_must.h"
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

  // What only kit and code of a key open: the certificate and its key.
  static client::Credentials rescuer(const path& kit_file, const std::string& code) {
    const auto kit = must(protocol::RecoveryKit::parse(bytes_of(read_file(kit_file))));
    const auto bundle = must(protocol::Bundle::parse(kit.bundle()));
    const auto opened = must(client::open_blob(kit.blob(), bundle, Secret::copy_of(bytes_of(code))));
    return must(client::open_kit_key(kit, opened.recovery_key));
  }
  // How each agent answers it when it would recover a file of the first key, and its recovery parts.
  std::set<std::string> recovers(const client::Credentials& asker, const path& file) const {
    const auto bundle = must(client::load_bundle(system_.bundle(), std::nullopt));
    auto input = must(client::Input::open(file));
    const auto header = must(client::read_header(input));
    const std::array files = {client::LockedFile{&header, must(header.stanza_for(bundle.key_id()))}};
    const client::Asker recovery{.certificate = &asker.certificate,
                                 .key = &asker.key,
                                 .action = protocol::Action::recover,
                                 .reason = "a test"};
    std::set<std::string> said;
    const auto say = [&](const auto& answer) { said.insert(answer ? "ok" : answer.error().message()); };
    for (const std::size_t position : {0u, 1u}) {
      const auto& party = bundle.parameters()->parties[position];
      auto agent = client::connect(party, asker, std::chrono::seconds(30));
      const auto exchange =
          client::PartialExchange::make(bundle, position, files, recovery, client::now_ms(), system_random());
      say(must(exchange.read(must(agent.ask(exchange.path(), exchange.request())))).front());
      say(client::ask(agent, bundle, party, asker,
                      {.endpoint = "recovery-share", .body = protocol::RecoveryShareBody{}, .reason = ""},
                      system_random()));
    }
    return said;
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

TEST_F(AddKey, ItsKitOpensNoFileOfTheFirstKey) {
  ASSERT_EQ(system_.add_key("mail", kDerive).exit_code, 0);
  ASSERT_EQ(system_.add_key("archive", {"--purpose", "envelope"}).exit_code, 0);
  const path file = system_.folder() / "secret";
  write_file(file, "for nobody of these");
  Finished run = system_.coprotect(system_.admin(), {"encrypt", file});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const path sealed = file.string() + ".cop";
  const auto own = rescuer(system_.kit(), system_.code());
  EXPECT_EQ(recovers(own, sealed), std::set<std::string>{"ok"});

  const auto expect_refused = [&](const std::string& key) {
    for (const std::string& said : recovers(rescuer(system_.kit(key), system_.code(key)), sealed))
      EXPECT_NE(said.find("certificate of \"coprotect:acme:recovery:" + key +
                          "\" is not that of this key's recovery administrator"),
                std::string::npos)
          << said;
    const Finished opened = Command(System::program("coprotect"))
                                .args({"decrypt", "--recover", "--kit", system_.kit(key).string(),
                                       "--code-fd", "7", sealed.string(), "-o", file.string() + ".opened"})
                                .feed(7, system_.code(key) + "\n")
                                .run();
    EXPECT_NE(opened.exit_code, 0) << opened.out;
    EXPECT_FALSE(std::filesystem::exists(file.string() + ".opened"));
  };
  for (const std::string key : {"mail", "archive"}) {
    expect_refused(key);
    run = system_.key_state(key, "destroyed", {"--yes", "--wait", "31d"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    expect_refused(key);
  }
  run = system_.recover({sealed.string(), "-o", file.string() + ".again"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(read_file(file.string() + ".again"), "for nobody of these");

  // What the first kit's administrator is to health, no other one is.
  run = Command(System::program("coprotect-provision"))
            .args({"remove-client", "coprotect:acme:recovery:recovery", "--without-recovery", "--dir",
                   system_.out().string(), "--ca-passphrase-fd", "9"})
            .feed(9, "a passphrase for the tests' client CA, long enough\n")
            .run();
  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (const std::string& said : recovers(own, sealed))
    EXPECT_NE(said.find("is not enrolled"), std::string::npos) << said;
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
