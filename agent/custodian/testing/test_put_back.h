#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/custodian/peers.h"
#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::agent::custodian::testing {

// An onboarded pair whose agents have heard of each other, and an attacker who can replace an agent's store
// by an older copy.
class PutBack : public ::testing::Test {
 protected:
  PutBack() {
    pair.onboard();
    file.emplace(encrypt(pair.bundle()));
    settle(pair.cloud, pair.company);
    settle(pair.company, pair.cloud);
  }

  PeerQuestion question(TestAgent& asker) { return must(asker.custodian().peers().ask()).at(0); }
  Result<Bytes> bring(const PeerQuestion& question, TestAgent& asker, TestAgent& asked) {
    return asked.call(ipc::Route::peer_state, "", asker.tls_certificate(), question.body);
  }
  Result<PeerHeard> exchange(TestAgent& asker, TestAgent& asked) {
    const auto asking = question(asker);
    const auto answer = bring(asking, asker, asked);
    if (!answer) return answer.error();
    return asker.custodian().peers().heard(asking, *answer);
  }
  // Repeats until both agree. Returns the news, if any.
  std::string settle(TestAgent& asker, TestAgent& asked) {
    std::string news;
    for (int i = 0; i < 4; ++i) {
      const auto heard = must(exchange(asker, asked));
      if (heard.news) news += *heard.news;
      if (!heard.ask_again) return news;
    }
    ADD_FAILURE() << "it does not come to an end";
    return news;
  }

  void save(TestAgent& agent) {
    agent.close();
    std::filesystem::copy_file(agent.store(), saved, std::filesystem::copy_options::overwrite_existing);
    agent.open();
  }
  void put_back(TestAgent& agent, bool marked = false) {
    agent.close();
    std::filesystem::copy_file(saved, agent.store(), std::filesystem::copy_options::overwrite_existing);
    if (marked) std::ofstream(agent.state() / "restored") << "by a test\n";
    agent.open();
  }
  // Both agents accept a list, and the cloud's agent is rolled back to before it. The peer brings it again.
  void give_and_put_back(ipc::Route route, const Bytes& list) {
    for (TestAgent* const agent : {&pair.cloud, &pair.company})
      must(agent->call(route, "acme", pair.admin.certificate.der(), list));
    settle(pair.cloud, pair.company);
    later();
    put_back(pair.cloud);
    must(decrypt(pair.cloud));  // not yet heard
    settle(pair.cloud, pair.company);
  }
  // Whether alice can get the agent's part for a file.
  Result<protocol::PartialReply> decrypt(TestAgent& agent) {
    return partials(agent, pair.bundle(), pair.ask_for(agent, {&*file}), pair.alice);
  }
  void expect_refused(TestAgent& agent, Code code, const std::string& words) {
    const auto refused = decrypt(agent);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), code) << refused.error().message();
    EXPECT_NE(refused.error().message().find(words), std::string::npos) << refused.error().message();
  }
  nlohmann::json health(TestAgent& agent) {
    const Bytes report = must(agent.call(ipc::Route::health, "", pair.admin.certificate.der(), {}));
    return nlohmann::json::parse(report);
  }
  // The log's entries about the store.
  std::vector<protocol::LogEntry> store_entries(TestAgent& agent) {
    std::vector<protocol::LogEntry> found;
    for (const auto& entry : read_log(agent, pair.bundle(), pair.admin))
      if (entry.kind == protocol::EntryKind::store) found.push_back(entry);
    return found;
  }
  void later() { pair.clock->now_ms += 1000; }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  Pair pair{scratch.path(), token_at(token.uri()), protocol::SuiteId::p256};
  std::optional<TestFile> file;
  std::filesystem::path saved = scratch / "saved.db";
};

}  // namespace coprotect::agent::custodian::testing
