#pragma once

#include <gtest/gtest.h>

#include "agent/custodian/testing/handover_tool.h"
#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::agent::custodian::testing {

// A key of two agents and a recovery party, to be handed over, and further agents that may get it.
class HandoverFixture : public ::testing::Test {
 protected:
  explicit HandoverFixture(protocol::SuiteId suite = protocol::SuiteId::p256, bool on_a_tpm = false)
      : tpm(on_a_tpm ? std::make_unique<harness::SoftTpm>(scratch / "tpm") : nullptr),
        pair(scratch.path(), token_at(token_uri()), suite) {}
  std::string token_uri() const { return tpm ? tpm->uri() : token.uri(); }
  // Takes the agents' token away, and gives it back.
  void remove_token() {
    if (tpm)
      tpm->kill();
    else
      token.remove();
  }
  void restore_token() {
    if (tpm)
      tpm->start();
    else
      token.restore();
  }
  // An agent that has no key yet.
  std::unique_ptr<TestAgent> another(const std::string& role) const {
    auto agent = std::make_unique<TestAgent>(scratch / role, role, token_at(token_uri()), pair.clock);
    agent->open();
    return agent;
  }
  // Announces the tool's plan at the cloud's agent.
  Result<protocol::HandoverNotice> announce(HandoverTool& tool) {
    const auto answer = tool.ask(pair.cloud, protocol::HandoverStep::announce,
                                 protocol::Announcement::of(tool.the_plan()->parameters).encode());
    if (!answer) return answer.error();
    return protocol::HandoverNotice::parse(*answer);
  }
  NewHolders same_holders(bool new_recovery = false) {
    return {.t = 2,
            .agents = {{&pair.cloud, 1}, {&pair.company, 2}},
            .recovery = 3,
            .new_recovery = new_recovery};
  }
  // A refresh of the key as it is now by both agents, not yet begun.
  HandoverTool refresh() {
    return {bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 2}};
  }
  // The client list, for an agent that has only now a key.
  void enrol_at(TestAgent& agent) {
    must(
        agent.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(), pair.acme.next_list()));
  }
  template <typename T>
  static std::string code_of(const Result<T>& result) {
    return result ? "ok" : std::string(code_name(result.error().code()));
  }
  template <typename T>
  static std::string why(const Result<T>& result) {
    return result ? "ok" : result.error().message();
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  static void reopen(TestAgent& agent) {
    agent.close();
    agent.open();
  }
  // What the log says of ceremonies.
  std::vector<std::string> ceremonies(TestAgent& agent) const {
    std::vector<std::string> said;
    for (const auto& entry : read_log(agent, bundle, pair.admin))
      if (entry.kind == protocol::EntryKind::ceremony) said.push_back(entry.detail);
    return said;
  }
  // Statements of SQL, given to the store of an agent that is closed.
  static void sql(const TestAgent& agent, const std::string& statements) {
    Owned<sqlite3, sqlite3_close_v2> database;
    ASSERT_EQ(sqlite3_open(agent.store().c_str(), out(database)), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database.get(), statements.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database.get());
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  std::unique_ptr<harness::SoftTpm> tpm;
  Pair pair;
  protocol::Bundle bundle = (pair.onboard(), pair.bundle());
};

}  // namespace coprotect::agent::custodian::testing
