// Drills: a canary through every quorum, the evidence of it, and what the agents make of it.

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/agents.h"
#include "protocol/recovery/kit.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

class LifecycleDrill : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam(), .derive_key = true});
    if (HasFailure()) GTEST_FAIL() << "no system";
  }

  Finished drill(const std::string& code, std::vector<std::string> options = {}) {
    const path out = system_->folder() / ("evidence-" + std::to_string(++drills_));
    options.insert(options.begin(),
                   {"drill", "--dir", system_->out().string(), "--out", out.string(), "--code-fd", "7"});
    Finished run = Command(System::program("coprotect-provision")).args(options).feed(7, code + "\n").run();
    evidence_.clear();
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(out, none))
      if (entry.path().extension() == ".json") evidence_ = entry.path();
    return run;
  }
  nlohmann::json evidence() const { return nlohmann::json::parse(read_file(evidence_)); }
  Finished verify() {
    return system_->provision({"drill", "--dir", system_->out().string(), "--verify", evidence_.string()});
  }
  // "cloud company: passed", in order.
  std::vector<std::string> results() const {
    std::vector<std::string> found;
    const auto all = evidence();
    for (const auto& quorum : all["quorums"]) {
      std::string line;
      for (const auto& party : quorum["parties"])
        line += (line.empty() ? "" : " ") + party.get<std::string>();
      found.push_back(line + ": " + quorum["result"].get<std::string>());
    }
    return found;
  }
  // When an agent verified its parts of the first key, and saw its code open, as `holders` prints it, in
  // seconds since 1970; none: it says never, or nothing.
  struct Dates {
    std::optional<std::int64_t> parts = {};
    std::optional<std::int64_t> code = {};
  };
  Dates dates(const std::string& agent) const {
    const Finished run = system_->provision({"holders", "--dir", system_->out().string()});
    const auto date = [&](std::size_t at) -> std::optional<std::int64_t> {
      std::tm fields{};
      if (strptime(run.out.c_str() + at, "%Y-%m-%dT%H:%M:%SZ", &fields) == nullptr) return std::nullopt;
      return timegm(&fields);
    };
    const std::string line = "recovery at the " + agent + " agent: parts verified ";
    const std::string code = ", code opened ";
    const auto line_at = run.out.find(line);
    const auto code_at = run.out.find(code, line_at);
    if (line_at == std::string::npos || code_at == std::string::npos) return {};
    return {.parts = date(line_at + line.size()), .code = date(code_at + code.size())};
  }
  // The same, once the agent verified its parts at or after this time: it does so a second after it started.
  Dates dates_after(const std::string& agent, std::int64_t time) const {
    Dates found = dates(agent);
    for (int i = 0; i < 50 && found.parts.value_or(0) < time; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      found = dates(agent);
    }
    return found;
  }
  static std::int64_t now() { return client::now_ms() / 1000; }

  // What an agent says of itself to the administrator.
  nlohmann::json health(const Agent& agent) const {
    const path folder = system_->admin().parent_path();
    const auto certificate = [](const path& file) {
      return *protocol::Certificate::parse_pem(bytes_of(read_file(file)));
    };
    path pem, key_file;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".key.pem"))
        key_file = entry.path();
      else if (name.ends_with(".pem"))
        pem = entry.path();
    }
    const auto key = *protocol::SigningKey::from_pem(bytes_of(read_file(key_file)));
    client::AgentClient link({.party = {},
                              .url = agent.url(),
                              .identity_certificate = certificate(agent.folder() / "identity.pem")},
                             {.chain = {certificate(pem)}, .key = &key}, std::chrono::seconds(20));
    const auto answer = link.get("/v1/health");
    if (!answer) return answer.error().message();
    return nlohmann::json::parse(*answer);
  }

  std::unique_ptr<System> system_;
  int drills_ = 0;
  path evidence_;
};
INSTANTIATE_TEST_SUITE_P(Suites, LifecycleDrill, testing::Values("p256", "ffdhe3072"),
                         [](const auto& tested) { return tested.param; });

// One story, on one system.
TEST_P(LifecycleDrill, GoesThroughEveryQuorum) {
  using Results = std::vector<std::string>;
  const Results all = {"cloud company: passed", "cloud recovery: passed", "company recovery: passed"};
  EXPECT_TRUE(health(system_->cloud())["last_drill_age_seconds"].is_null());
  // The code was typed again when the key was made, and the parts were verified soon after.
  std::map<std::string, Dates> made;
  for (const std::string agent : {"cloud", "company"}) {
    made[agent] = dates_after(agent, 1);
    ASSERT_TRUE(made[agent].parts && made[agent].code) << agent;
    for (const std::int64_t date : {*made[agent].parts, *made[agent].code}) {
      EXPECT_LE(date, now()) << agent;
      EXPECT_GT(date, now() - 300) << agent;
    }
  }

  // Agents give what the code opens to the kit's administrator alone.
  Finished run = drill(system_->code());
  EXPECT_NE(run.exit_code, 0) << run.out << run.err;
  EXPECT_NE(run.err.find("--kit"), std::string::npos) << run.err;
  // Of the first key; then of the key that derives.
  run = drill(system_->code(), {"--kit", system_->kit().string()});
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_EQ(results(), all);
  EXPECT_EQ(evidence()["administrator"], "coprotect:acme:admin:admin") << evidence();
  EXPECT_TRUE(health(system_->cloud())["last_drill_age_seconds"].is_null());  // not of the other key
  // It moves the one date, and the day has not passed for the other.
  for (const std::string agent : {"cloud", "company"}) {
    EXPECT_GT(dates(agent).code.value_or(0), *made[agent].code) << agent;
    EXPECT_EQ(dates(agent).parts, made[agent].parts) << agent;
  }
  const path renewed = system_->folder() / "renewed.kit";
  run = drill(system_->code(), {"--kit", system_->kit().string(), "--renew-kit", renewed.string()});
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_EQ(results(), all);
  // The kit's certificate is renewed: the same key, so that it is enrolled, and five years from now.
  const auto certificate = [](const path& kit) {
    return *protocol::Certificate::parse_der(
        protocol::RecoveryKit::parse(bytes_of(read_file(kit)))->certificate());
  };
  EXPECT_EQ(certificate(renewed).key_hash(), certificate(system_->kit()).key_hash());
  EXPECT_NE(certificate(renewed).der(), certificate(system_->kit()).der());
  constexpr std::int64_t kDayMs = 24 * 3600 * 1000;
  EXPECT_LT(std::abs(certificate(renewed).not_after_ms() - client::now_ms() - 5 * 365 * kDayMs), kDayMs);
  run = drill(system_->code("derive"), {"--key", "derive", "--kit", system_->kit("derive").string()});
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_EQ(results(), all);
  EXPECT_EQ(evidence()["purpose"], "derive");
  EXPECT_NE(run.out.find("new-code renews it"), std::string::npos) << run.out;  // without the CA's key
  for (Agent* const agent : {&system_->cloud(), &system_->company()}) {
    EXPECT_GE(health(*agent)["last_drill_age_seconds"].get<int>(), 0);
    EXPECT_LT(health(*agent)["last_drill_age_seconds"].get<int>(), 120);
  }
  // The requests that it names are in the logs, and so is the evidence's digest.
  const Finished log = system_->provision({"log", "--dir", system_->out().string(), "--json"});
  ASSERT_EQ(log.exit_code, 0) << log.err;
  EXPECT_NE(log.out.find("drill-report: passed 3 of 3, evidence "), std::string::npos);

  // Verified; and not if a byte of it is another.
  run = verify();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("3 quorums passed, 0 failed"), std::string::npos) << run.out;
  const std::string good = read_file(evidence_);
  std::string tampered = good;
  tampered.replace(tampered.find("\"passed\": 3"), 11, "\"passed\": 4");
  write_file(evidence_, tampered);
  run = verify();
  EXPECT_EQ(run.exit_code, 5) << run.out << run.err;
  EXPECT_NE(run.err.find("not what was signed"), std::string::npos) << run.err;
  write_file(evidence_, good);
  EXPECT_EQ(verify().exit_code, 0);

  // A wrong code ends it before anybody is asked.
  run = drill("AAAA", {"--kit", system_->kit().string()});
  EXPECT_EQ(run.exit_code, 7) << run.err;
  EXPECT_TRUE(evidence_.empty());

  // Without one agent: which quorums fail, and the other agent has it in its log.
  system_->company().stop();
  run = drill(system_->code(), {"--kit", renewed.string()});
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_EQ(results(),
            (Results{"cloud company: failed", "cloud recovery: passed", "company recovery: failed"}));
  EXPECT_NE(run.out.find("company + recovery: FAILED"), std::string::npos) << run.out;
  EXPECT_NE(evidence()["quorums"][0]["failure"].get<std::string>().find("company agent"), std::string::npos);
  EXPECT_EQ(verify().exit_code, 0);
  const Finished cloud =
      system_->provision({"log", "--dir", system_->out().string(), "--party", "cloud", "--json"});
  EXPECT_NE(cloud.out.find("drill-report: failed 2 of 3"), std::string::npos);
  const auto stopped = now();
  ASSERT_TRUE(system_->company().start());
  EXPECT_GE(health(system_->company())["last_drill_age_seconds"].get<int>(), 0);  // it was not forgotten
  // Nor was the code; the parts are verified at each start.
  const Dates again = dates_after("company", stopped);
  EXPECT_GE(again.parts.value_or(0), stopped);
  EXPECT_GT(again.code.value_or(0), *made["company"].code);
}

}  // namespace
}  // namespace coprotect::harness
