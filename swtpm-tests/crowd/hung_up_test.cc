// A dear request costs the agent nothing more once nobody waits for its answer.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "swtpm-tests/crowd/asking.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness::crowd {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class HungUp : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(HasFailure()) << "no system";
    client_ = load_client(system_.add_client("alice"));
    key_ = load_bundle(system_.bundle());
    file_ = seal(*key_);
  }
  // What is answered to so many files' request, whose client waits for so long.
  Status send(std::size_t files, std::chrono::milliseconds patience) {
    const std::vector<client::LockedFile> all(files, locked(*file_));
    return Asking(*key_, client_, "cloud", patience).send(all);
  }
  void restart_with(const std::string& config) {
    system_.cloud().stop();
    write_file(system_.cloud().config(), config);
    ASSERT_TRUE(system_.cloud().start());
  }
  // Whether the agent's log on stderr comes to say this.
  bool is_logged(const std::string& text, std::chrono::seconds within = 10s) {
    for (const auto end = Clock::now() + within; Clock::now() < end; std::this_thread::sleep_for(20ms))
      if (read_file(system_.cloud().log()).find(text) != std::string::npos) return true;
    return false;
  }
  // The newest entry of the log about a partial decryption.
  nlohmann::json newest_entry() {
    const Finished log =
        system_.provision({"log", "--dir", system_.out().string(), "--party", "cloud", "--json"});
    EXPECT_EQ(log.exit_code, 0) << log.err;
    nlohmann::json newest;
    std::istringstream lines(log.out);
    for (std::string line; std::getline(lines, line);) {
      auto entry = nlohmann::json::parse(line, nullptr, false);
      if (entry.value("operation", "") == "partial-decrypt") newest = std::move(entry);
    }
    return newest;
  }

  System system_{{.suite = "ffdhe3072"}};
  Client client_;
  std::optional<protocol::Bundle> key_;
  std::optional<Sealed> file_;
};

TEST_F(HungUp, BatchesEndWithTheirClient) {
  ASSERT_TRUE(send(1, 30s));
  // On a busy machine the work may not have begun when the client goes: then it waits longer.
  bool given_up = false;
  for (auto patience = 700ms; !given_up && patience < 12s; patience *= 2) {
    ASSERT_FALSE(send(256, patience)) << "answered within " << patience.count() << " ms";
    given_up = is_logged(" of 256 items: the caller has gone", 5s);
  }
  EXPECT_TRUE(given_up) << read_file(system_.cloud().log());
  const auto entry = newest_entry();
  EXPECT_EQ(entry.value("outcome", ""), "unavailable") << entry;
  EXPECT_NE(entry.value("detail", "").find("given up after "), std::string::npos) << entry;
  EXPECT_TRUE(send(1, 30s));
}

TEST_F(HungUp, BatchesEndWithTheRequestsTime) {
  const std::string usual = read_file(system_.cloud().config());
  bool given_up = false;
  // So many at a time that no machine is done with all of them in time, and not so many that none is begun.
  for (unsigned seconds = 1; !given_up && seconds < 10; seconds *= 2) {
    restart_with(usual + "\n[limits]\nrequest_seconds = " + std::to_string(seconds) + "\n");
    for (std::size_t together = 1; !given_up && together <= 16; together *= 2) {
      std::vector<std::jthread> clients;
      for (std::size_t i = 0; i < together; ++i)
        clients.emplace_back([this] { static_cast<void>(send(256, 30s)); });
      clients.clear();
      given_up = is_logged(" of 256 items: ", 3s);
    }
  }
  EXPECT_TRUE(given_up) << read_file(system_.cloud().log());
  restart_with(usual);
  EXPECT_TRUE(send(1, 30s));
  const Finished log =
      system_.provision({"log", "--dir", system_.out().string(), "--party", "cloud", "--json"});
  EXPECT_NE(log.out.find("given up after "), std::string::npos) << log.out;
}

}  // namespace
}  // namespace coprotect::harness::crowd
