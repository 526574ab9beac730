#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/custodian/testing/pair.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::agent::custodian::testing {

// An onboarded pair whose cloud agent has small daily caps. Each test states in `expected_computed` how often
// its share may have been used.
class TestRefusal : public ::testing::Test {
 protected:
  TestRefusal() {
    pair.cloud.close();
    pair.cloud.requests = {.per_key = 3, .per_client = 2, .recoveries_per_key = 1};
    pair.cloud.open();
    pair.onboard();
  }
  ~TestRefusal() override { EXPECT_EQ(pair.cloud.computed(), expected_computed); }

  Asking asking() { return pair.ask_for(pair.cloud, {&file()}); }
  const TestFile& file() {
    if (!file_) file_ = encrypt(pair.bundle());
    return *file_;
  }
  // The code with which the cloud's agent refuses this client's request; "ok" if it does not.
  std::string code(const Asking& request, const TestClient& client) {
    const auto reply = answer(pair.cloud, request, client);
    if (!reply) message = reply.error().message();
    return reply ? "ok" : std::string(code_name(reply.error().code()));
  }
  std::vector<protocol::LogEntry> log() { return read_log(pair.cloud, pair.bundle(), pair.admin); }
  protocol::LogEntry last_entry() {
    const auto entries = log();
    return entries[entries.size() - 2];  // before the intent to read the log
  }
  std::string last_outcome() { return last_entry().outcome; }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  Pair pair{scratch.path(), token_at(token.uri()), protocol::SuiteId::p256};
  std::string message;
  int expected_computed = 0;

 private:
  std::optional<TestFile> file_;
};

}  // namespace coprotect::agent::custodian::testing
