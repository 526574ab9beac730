// The main job with everything real: two agents with two chips open files together.

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 % 251);
  return text;
}

class Decrypt : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam()});
    if (HasFailure()) GTEST_FAIL() << "no system";
    work_ = system_->folder() / "work";
    std::filesystem::create_directory(work_);
    alice_ = system_->add_client("alice", {"--group", "finance"});
  }

  path written(const std::string& name, const std::string& content) {
    write_file(work_ / name, content);
    return work_ / name;
  }
  // Encrypts a new file as alice and returns the path of the ciphertext.
  path encrypted(const std::string& name, const std::string& content, std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"encrypt", written(name, content).string()});
    const Finished run = system_->coprotect(alice_, options);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    std::filesystem::remove(work_ / name);
    return work_ / (name + ".cop");
  }
  Finished decrypt(const path& config, const path& file, std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"decrypt", file.string()});
    return system_->coprotect(config, options);
  }

  std::unique_ptr<System> system_;
  path work_;
  path alice_;
};

INSTANTIATE_TEST_SUITE_P(Suites, Decrypt, testing::Values("p256", "ffdhe3072"),
                         [](const auto& instance) { return instance.param; });

// What depends on the group's numbers, in the other two groups as well.
class DecryptInAnyGroup : public Decrypt {};
INSTANTIATE_TEST_SUITE_P(Suites, DecryptInAnyGroup,
                         testing::Values("p256", "ffdhe2048", "ffdhe3072", "ffdhe4096"),
                         [](const auto& instance) { return instance.param; });

TEST_P(DecryptInAnyGroup, OpensFilesOfEverySizeThroughBothAgents) {
  for (const std::size_t size : {0u, 1u, 16'383u, 16'384u, 16'385u, 3'000'000u}) {
    const std::string content = pattern(size);
    const path file = encrypted("f", content);
    const Finished run = decrypt(alice_, file);
    ASSERT_EQ(run.exit_code, 0) << size << "\n" << run.err;
    EXPECT_EQ(read_file(work_ / "f"), content);
    std::filesystem::remove(work_ / "f");
    std::filesystem::remove(file);
  }
}

TEST_P(Decrypt, WritesNoPlaintextThroughALinkInTheOutputFolder) {
  for (const char* const name : {"in/a", "in/sub/b"}) {
    std::filesystem::create_directories((work_ / name).parent_path());
    write_file(work_ / name, name);
  }
  ASSERT_EQ(system_->coprotect(alice_, {"encrypt", "-r", work_ / "in", "-o", work_ / "sealed"}).exit_code, 0);
  for (const char* const name : {"elsewhere", "real", "there"})
    std::filesystem::create_directories(work_ / name);
  std::filesystem::create_directory_symlink("real", work_ / "out");  // which the user names
  std::filesystem::create_directory_symlink("../elsewhere", work_ / "real/sub");
  write_file(work_ / "there/a", "theirs");
  std::filesystem::create_symlink("../there/a", work_ / "real/a");
  for (const char* const how : {"--force", "--resume"}) {
    const Finished run =
        system_->coprotect(alice_, {"decrypt", "-r", work_ / "sealed", "-o", work_ / "out", how});
    EXPECT_EQ(run.exit_code, 1) << run.err;
    EXPECT_NE(run.err.find("out/sub\" is a symbolic link, which is not followed"), std::string::npos)
        << run.err;
    EXPECT_TRUE(std::filesystem::is_empty(work_ / "elsewhere"));
    EXPECT_EQ(read_file(work_ / "there/a"), "theirs");
    EXPECT_EQ(read_file(work_ / "real/a"), "in/a");
  }
}

TEST_P(Decrypt, OpensAFolderWithFewRequests) {
  std::filesystem::create_directories(work_ / "in" / "deep" / "er");
  for (unsigned i = 0; i < 40; ++i)
    write_file(work_ / "in" / (i % 2 == 0 ? "deep" : "deep/er") / std::to_string(i), pattern(1000 + i * 13));
  ASSERT_EQ(system_->coprotect(alice_, {"encrypt", "-r", work_ / "in", "-o", work_ / "sealed"}).exit_code, 0);
  const Finished run = system_->coprotect(alice_, {"decrypt", "-r", work_ / "sealed", "-o", work_ / "out"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (unsigned i = 0; i < 40; ++i) {
    const path name = path(i % 2 == 0 ? "deep" : "deep/er") / std::to_string(i);
    EXPECT_EQ(read_file(work_ / "out" / name), read_file(work_ / "in" / name)) << name;
  }
  const Finished log =
      system_->provision({"log", "--dir", system_->out().string(), "--party", "cloud", "--json"});
  ASSERT_EQ(log.exit_code, 0) << log.err;
  std::size_t intents = 0;
  std::istringstream lines(log.out);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.value("kind", "") == "intent" && entry.value("client", "") == "coprotect:acme:user:alice")
      ++intents;
  }
  EXPECT_EQ(intents, 1u) << log.out;
}

TEST_P(Decrypt, PassesThroughStreams) {
  const std::string content = pattern(100'000);
  const Finished sealed = Command(System::program("coprotect"))
                              .env("COPROTECT_CONFIG=" + alice_.string())
                              .args({"encrypt", "-"})
                              .feed(0, content)
                              .run();
  ASSERT_EQ(sealed.exit_code, 0) << sealed.err;
  const Finished opened = Command(System::program("coprotect"))
                              .env("COPROTECT_CONFIG=" + alice_.string())
                              .args({"decrypt", "-"})
                              .feed(0, sealed.out)
                              .run();
  EXPECT_EQ(opened.exit_code, 0) << opened.err;
  EXPECT_TRUE(opened.out == content);
}

TEST_P(Decrypt, RefusesWhatThePolicyForbids) {
  const path bob = system_->add_client("bob", {"--group", "support"});
  const path mine = encrypted("mine", "for alice", {"--allow-user", "alice"});
  const path theirs = encrypted("theirs", "for support", {"--allow-group", "support"});
  write_file(work_ / "past.json", R"({"version":1,"allow":{"users":["coprotect:acme:user:alice"]},)"
                                  R"("not_after":"2020-01-01T00:00:00Z"})");
  const path past = encrypted("past", "too late", {"--policy", (work_ / "past.json").string()});

  EXPECT_EQ(decrypt(alice_, mine).exit_code, 0);
  EXPECT_EQ(decrypt(bob, theirs).exit_code, 0);
  for (const auto& [client, file] : {std::pair{bob, mine}, {alice_, theirs}, {alice_, past}}) {
    const Finished run = decrypt(client, file, {"-o", (work_ / "no").string()});
    EXPECT_EQ(run.exit_code, 3) << file << run.err;
    EXPECT_NE(run.err.find("denied"), std::string::npos) << run.err;
    EXPECT_FALSE(std::filesystem::exists(work_ / "no"));
  }
}

TEST_P(Decrypt, RefusesAHeaderWhosePolicyWasChanged) {
  const path bob = system_->add_client("bob", {"--group", "support"});
  const path file = encrypted("secret", "for finance", {"--allow-group", "finance"});
  std::string bytes = read_file(file);
  const auto at = bytes.find("group:finance");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 13, "group:support");
  write_file(file, bytes);
  const Finished run = decrypt(bob, file, {"-o", (work_ / "no").string()});
  EXPECT_EQ(run.exit_code, 5) << run.err;
  EXPECT_FALSE(std::filesystem::exists(work_ / "no"));
}

TEST_P(Decrypt, RefusesABodyThatWasChanged) {
  const path file = encrypted("data", pattern(50'000));
  const std::string good = read_file(file);
  std::string flipped = good;
  flipped[good.size() - 20'000] ^= 1;
  for (const std::string& bad :
       {flipped, good.substr(0, good.size() - 1), good + "x", good.substr(0, good.size() - 17'000)}) {
    write_file(file, bad);
    EXPECT_EQ(decrypt(alice_, file).exit_code, 5);
    EXPECT_FALSE(std::filesystem::exists(work_ / "data"));
  }
}

TEST_P(Decrypt, SaysWhichAgentIsMissing) {
  const path file = encrypted("report", "figures");
  for (Agent* const agent : {&system_->company(), &system_->cloud()}) {
    agent->stop();
    const Finished run = decrypt(alice_, file);
    EXPECT_EQ(run.exit_code, 4) << run.err;
    EXPECT_NE(run.err.find(agent == &system_->cloud() ? "cloud" : "company"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("--recover"), std::string::npos) << run.err;
    EXPECT_FALSE(std::filesystem::exists(work_ / "report"));
    ASSERT_TRUE(agent->start());
  }
  EXPECT_EQ(decrypt(alice_, file).exit_code, 0);
}

TEST_P(DecryptInAnyGroup, RecoversWithKitAndCodeThroughEitherAgent) {
  const path file = encrypted("ledger", "balances", {"--allow-user", "alice"});
  system_->cloud().stop();
  Finished run = system_->recover({file.string(), "-o", (work_ / "offline").string()});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(read_file(work_ / "offline"), "balances");

  // The disaster: everything of the company is gone but kit and code.
  ASSERT_TRUE(system_->cloud().start());
  system_->company().kill();
  std::filesystem::remove_all(system_->company().folder());
  std::filesystem::remove_all(system_->folder() / "token");
  std::filesystem::remove_all(system_->folder() / "clients");
  run = system_->recover({file.string(), "-o", (work_ / "disaster").string()});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(read_file(work_ / "disaster"), "balances");
}

TEST_P(Decrypt, NamesTheMistypedGroupOfACode) {
  const path file = encrypted("x", "y");
  std::string code = system_->code();
  code[13] = code[13] == 'A' ? 'B' : 'A';  // in the third group of five
  const Finished run =
      Command(System::program("coprotect"))
          .args({"decrypt", "--recover", "--kit", system_->kit().string(), "--code-fd", "7", file})
          .feed(7, code + "\n")
          .run();
  EXPECT_EQ(run.exit_code, 7) << run.err;
  EXPECT_NE(run.err.find("group 3"), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find(code.substr(12, 5)), std::string::npos) << "the message repeats a part of the code";
}

// It is the agent's operator who has to do something, not the user with his recovery code.
TEST_P(Decrypt, SaysThatAnAgentsTokenRefusesItsPin) {
  const path file = encrypted("x", "y");
  system_->company().stop();
  ASSERT_TRUE(system_->company().start());  // without a share in memory
  const path pin = system_->token().pin_file();
  const std::string right = read_file(pin);
  write_file(pin, "314159");
  Finished run = decrypt(alice_, file);
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_NE(run.err.find("token refuses the agent's PIN"), std::string::npos) << run.err;
  for (const std::string& untold : {std::string("--recover"), std::string("wrong-code"), pin.string()})
    EXPECT_EQ(run.err.find(untold), std::string::npos) << run.err;
  write_file(pin, right);
  run = decrypt(alice_, file);
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_P(Decrypt, GoesOnOnceATokenAnswersThatHung) {
  const path file = encrypted("x", "y");
  system_->cloud().stop();
  ASSERT_TRUE(system_->cloud().start());
  system_->tpm().hang();
  // Until the agent knows: each waits as long as the client does.
  Finished run;
  do {
    run = decrypt(alice_, file);
    ASSERT_EQ(run.exit_code, 4) << run.err;
  } while (run.err.find("has not answered since") == std::string::npos);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(decrypt(alice_, file).exit_code, 4);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(8));
  system_->tpm().resume();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(90);
  do run = decrypt(alice_, file);
  while (run.exit_code != 0 && std::chrono::steady_clock::now() < end);
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_P(Decrypt, SurvivesAgentsThatRestart) {
  const path file = encrypted("again", "and again");
  for (Agent* const agent : {&system_->company(), &system_->cloud()}) {
    agent->kill();
    ASSERT_TRUE(agent->start());
  }
  EXPECT_EQ(decrypt(alice_, file).exit_code, 0);
}

TEST_P(DecryptInAnyGroup, AgreesWithTheOracleInBothDirections) {
  const std::string oracle = std::string(COPROTECT_SOURCE_DIR) + "/protocol/testdata/oracle/oracle.py";
  // What coprotect made, the oracle opens with share 3 and a live agent's partial.
  const std::string content = pattern(40'000);
  const path file = encrypted("ours", content);
  for (const std::string party : {"cloud", "company"}) {
    const path out = work_ / ("by-oracle-" + party);
    const Finished run = Command("/usr/bin/python3")
                             .args({"-B", oracle, "decrypt", system_->kit(), party, file, out})
                             .feed(0, system_->code() + "\n")
                             .run(std::chrono::seconds(120));
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(read_file(out) == content);
  }
  // What the oracle made, coprotect opens through both agents.
  const path theirs = work_ / "theirs.cop";
  const Finished made =
      Command("/usr/bin/python3")
          .args({"-B", oracle, "encrypt", system_->bundle(), written("plain", content), theirs})
          .run(std::chrono::seconds(120));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(decrypt(alice_, theirs).exit_code, 0);
  EXPECT_TRUE(read_file(work_ / "theirs") == content);
}

}  // namespace
}  // namespace coprotect::harness
