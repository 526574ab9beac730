// The provider is gone: company, kit and code decrypt everything, whatever interrupts them.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

namespace fs = std::filesystem;

class LifecycleBulkRecovery : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    fs::create_directories(system_.folder() / "plain/sub");
    for (int i = 0; i < count_; ++i) write_file(system_.folder() / "plain" / name(i), text(i));
    ASSERT_EQ(system_
                  .coprotect(system_.admin(),
                             {"encrypt", "-r", (system_.folder() / "plain").string(), "-o", files_.string()})
                  .exit_code,
              0);
    system_.cloud().stop();
  }
  static std::string name(int i) { return (i % 2 ? "sub/f" : "f") + std::to_string(i); }
  static std::string text(int i) {
    return std::string(static_cast<std::size_t>(i % 7), 'x') + std::to_string(i);
  }
  std::vector<std::string> arguments(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {
        "decrypt",   "-r",         "--recover", "--kit",          system_.kit().string(),
        "--code-fd", "7",          "--report",  report_.string(), files_.string(),
        "-o",        out_.string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Finished recover(const std::vector<std::string>& more = {}) const {
    return Command(System::program("coprotect"))
        .args(arguments(more))
        .feed(7, system_.code() + "\n")
        .run(std::chrono::seconds(300));
  }
  // Killed once some files are there.
  void recover_and_die() const {
    const auto code = system_.folder() / "code";
    write_file(code, system_.code() + "\n");
    const int fd = open(code.c_str(), O_RDONLY | O_CLOEXEC);
    auto all = arguments({});
    all.insert(all.begin(), System::program("coprotect").string());
    Daemon run = Daemon::spawn(all, {}, {{7, fd}});
    close(fd);
    while (!run.ended() && there() < 3) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    run.end(SIGKILL);
  }
  int there() const {
    std::error_code ignored;
    int files = 0;
    for (fs::recursive_directory_iterator it(out_, ignored), end; !ignored && it != end;
         it.increment(ignored))
      files += it->is_regular_file(ignored) ? 1 : 0;
    return files;
  }
  std::vector<nlohmann::json> report() const {
    std::vector<nlohmann::json> lines;
    std::istringstream text(read_file(report_));
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }
  void expect_all() const {
    for (int i = 0; i < count_; ++i) EXPECT_EQ(read_file(out_ / name(i)), text(i)) << name(i);
    EXPECT_EQ(there(), count_) << "and nothing else";
  }

  System system_{System::Options{.suite = GetParam()}};
  const int count_ = GetParam() == "p256" ? 600 : 60;
  const fs::path files_{system_.folder() / "files"};
  const fs::path out_{system_.folder() / "out"};
  const fs::path report_{system_.folder() / "report.jsonl"};
};

TEST_P(LifecycleBulkRecovery, ResumesWhereItWasKilled) {
  recover_and_die();
  const int before = there();
  std::cout << "killed with " << before << " of " << count_ << " files decrypted\n";
  EXPECT_EQ(recover().exit_code, 1) << "without --resume what is there is not touched";
  const std::size_t lines_before = report().size();

  // One file is lost meanwhile, one is not what it should be, and one cannot be opened.
  write_file(files_ / "broken.cop", "not an encrypted file");
  fs::remove(out_ / name(0));
  write_file(out_ / name(1), "something else, longer than it");
  Finished run = recover({"--resume"});
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_NE(run.err.find("1 decrypted, " + std::to_string(count_ - 2) + " were there, 2 failed"),
            std::string::npos)
      << run.err;
  const auto lines = report();
  ASSERT_EQ(lines.size(), lines_before + static_cast<std::size_t>(count_) + 2);
  EXPECT_EQ(lines.back()["summary"]["done"], 1);
  EXPECT_EQ(lines.back()["summary"]["present"], count_ - 2);
  EXPECT_EQ(lines.back()["summary"]["failed"], 2);
  EXPECT_EQ(lines.back()["output_bytes"], text(0).size());
  const auto broken = std::find_if(lines.begin(), lines.end(), [&](const auto& line) {
    return line.value("path", "") == (files_ / "broken.cop").string();
  });
  ASSERT_NE(broken, lines.end());
  EXPECT_EQ((*broken)["result"], "failed");
  EXPECT_NE((*broken)["reason"].template get<std::string>().find("not an encrypted file"), std::string::npos);

  fs::remove(files_ / "broken.cop");
  run = recover({"--resume", "--force"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  expect_all();
}

INSTANTIATE_TEST_SUITE_P(Suites, LifecycleBulkRecovery, testing::Values("p256", "ffdhe3072"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace coprotect::harness
