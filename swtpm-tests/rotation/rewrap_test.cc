// Files get a new key, their bodies untouched, and outlive the old one.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "client/enrolment.h"
#include "client/files/encrypted_file.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

namespace fs = std::filesystem;

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class LifecycleRewrap : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    alice_ = system_.add_client("alice");
    fs::create_directories(plain_ / "deep/er");
    put("empty", "");
    put("deep/text", "some text");
    put("deep/er/large", std::string(3'000'000, 'x') + "end");
    const Finished run = system_.coprotect(alice_, {"encrypt", "-r", plain_.string(), "-o", files_.string()});
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  void put(const std::string& name, const std::string& content) const { write_file(plain_ / name, content); }
  Finished rewrap(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"rewrap", "-r", files_.string()});
    return system_.coprotect(alice_, options);
  }
  struct Parts {
    std::vector<std::string> keys;
    std::string body;
  };
  Parts parts_of(const std::string& name) const {
    auto input = client::Input::open(files_ / (name + ".cop"));
    const auto header = client::read_header(*input);
    Parts parts;
    for (const auto& stanza : header->stanzas()) parts.keys.push_back(to_hex(stanza.key_id));
    parts.body = read_file(files_ / (name + ".cop")).substr(header->encoded().size());
    return parts;
  }
  static std::string key_id(const fs::path& bundle) {
    return to_hex(client::load_bundle(bundle, std::nullopt)->key_id());
  }
  // Whether everything opens and is what it was.
  void expect_whole(const fs::path& config, const std::string& out) const {
    const fs::path opened = system_.folder() / out;
    const Finished run = system_.coprotect(config, {"decrypt", "-r", files_.string(), "-o", opened.string()});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    for (const std::string& name : names_)
      EXPECT_TRUE(read_file(opened / name) == read_file(plain_ / name)) << name;
  }

  System system_{System::Options{.suite = GetParam(), .policy = "destroy_seconds = 0\n"}};
  fs::path alice_;
  const fs::path plain_{system_.folder() / "plain"};
  const fs::path files_{system_.folder() / "files"};
  const std::vector<std::string> names_{"empty", "deep/text", "deep/er/large"};
};

TEST_P(LifecycleRewrap, FilesOutliveTheirFirstKey) {
  Finished run = rewrap();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.err, "0 rewrapped, 3 had the key already, 0 failed")) << run.err;

  ASSERT_EQ(system_.rotate("next").exit_code, 0);
  const std::string first = key_id(system_.bundle());
  const std::string next = key_id(system_.bundle("next"));
  const fs::path large = files_ / "deep/er/large.cop";
  ASSERT_EQ(chmod(large.c_str(), 0604), 0);
  fs::last_write_time(large, fs::file_time_type::clock::now() - std::chrono::hours(1000));
  const auto time = fs::last_write_time(large);
  std::map<std::string, std::string> bodies;
  for (const std::string& name : names_) bodies[name] = parts_of(name).body;

  // Beside the old key first, and only then instead of it.
  run = rewrap({"--keep-old"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.err, "3 rewrapped, 0 had")) << run.err;
  EXPECT_EQ(parts_of("empty").keys, (std::vector<std::string>{next, first}));
  expect_whole(alice_, "both");
  run = rewrap({"--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.out, "\"status\":\"done\"")) << run.out;
  for (const std::string& name : names_) {
    const Parts parts = parts_of(name);
    EXPECT_EQ(parts.keys, std::vector<std::string>{next});
    EXPECT_TRUE(parts.body == bodies[name]) << name;
  }
  struct stat now {};
  ASSERT_EQ(stat(large.c_str(), &now), 0);
  EXPECT_EQ(now.st_mode & 0777, 0604u);
  EXPECT_EQ(fs::last_write_time(large), time);
  run = rewrap();
  EXPECT_TRUE(says(run.err, "0 rewrapped, 3 had the key already, 0 failed")) << run.err;

  // Nothing is left that the old key opens alone, and it goes.
  run = system_.key_state("acme", "destroyed", {"--yes", "--wait", "8s", "--files", files_.string()});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.out, "0 of 3 encrypted files")) << run.out;
  std::this_thread::sleep_for(std::chrono::seconds(9));
  expect_whole(alice_, "after");
  run = system_.coprotect(alice_, {"rewrap", "--to", first, (files_ / "empty.cop").string()});
  EXPECT_EQ(run.exit_code, 3) << run.err;
}

// Policies hold for who rewraps as for who reads; the recovery administrator is above them, and needs neither
// the provider nor the old configuration.
TEST_P(LifecycleRewrap, TheRecoveryAdministratorRewrapsWhatOthersMayNot) {
  put("secret", "for bob");
  Finished run =
      system_.coprotect(system_.admin(), {"encrypt", (plain_ / "secret").string(), "-o",
                                          (files_ / "secret.cop").string(), "--allow-user", "bob"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  ASSERT_EQ(system_.rotate("next").exit_code, 0);
  run = rewrap();
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_TRUE(says(run.err, "3 rewrapped, 0 had the key already, 1 failed")) << run.err;
  EXPECT_TRUE(says(run.err, "secret.cop")) << run.err;

  ASSERT_EQ(system_.coprotect(alice_, {"update"}).exit_code, 0);
  system_.cloud().stop();
  run = Command(System::program("coprotect"))
            .env("COPROTECT_CONFIG=" + alice_.string())
            .args({"rewrap", "-r", files_.string(), "--recover", "--kit", system_.kit().string(), "--code-fd",
                   "7"})
            .feed(7, system_.code() + "\n")
            .run();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.err, "1 rewrapped, 3 had the key already, 0 failed")) << run.err;
  EXPECT_EQ(parts_of("secret").keys, std::vector<std::string>{key_id(system_.bundle("next"))});
  ASSERT_TRUE(system_.cloud().start());
  const fs::path bob = system_.add_client("bob");
  run = system_.coprotect(bob, {"decrypt", (files_ / "secret.cop").string(), "-o", "-"});
  EXPECT_EQ(run.out, "for bob") << run.err;
}

class LifecycleRewrapWithLosses : public LifecycleRewrap {};

TEST_P(LifecycleRewrapWithLosses, GoesOnAfterItsDeath) {
  constexpr int kCount = 600;
  for (int i = 0; i < kCount; ++i) put("deep/f" + std::to_string(i), "file " + std::to_string(i));
  ASSERT_EQ(system_
                .coprotect(alice_, {"encrypt", "-r", (plain_ / "deep").string(), "-o",
                                    (files_ / "deep").string(), "--force"})
                .exit_code,
            0);
  ASSERT_EQ(system_.rotate("next").exit_code, 0);
  const std::string next = key_id(system_.bundle("next"));
  const auto rewrapped = [&] {
    int done = 0;
    for (int i = 0; i < kCount; ++i)
      done += parts_of("deep/f" + std::to_string(i)).keys.front() == next ? 1 : 0;
    return done;
  };
  Daemon run = Daemon::spawn({System::program("coprotect").string(), "rewrap", "-r", files_.string()},
                             {"COPROTECT_CONFIG=" + alice_.string()}, {});
  while (!run.ended() && rewrapped() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  run.end(SIGKILL);
  std::cout << "killed with " << rewrapped() << " of " << kCount << " rewrapped\n";

  const Finished again = rewrap();
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(rewrapped(), kCount);
  expect_whole(alice_, "after");
}

INSTANTIATE_TEST_SUITE_P(Suites, LifecycleRewrap, testing::Values("p256", "ffdhe3072"),
                         [](const auto& instance) { return instance.param; });

INSTANTIATE_TEST_SUITE_P(Suites, LifecycleRewrapWithLosses, testing::Values("p256"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace coprotect::harness
