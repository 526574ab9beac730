#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/custodian/testing/handover_tool.h"
#include "agent/custodian/testing/pair.h"
#include "agent/custodian/testing/run_sql.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::agent::custodian::testing {

// A key of two agents and a recovery party, ready to be handed over, and more agents that may get it.
class HandoverFixture : public ::testing::Test {
 protected:
  explicit HandoverFixture(protocol::SuiteId suite = protocol::SuiteId::p256, bool on_a_tpm = false)
      : HandoverFixture(suite, on_a_tpm, std::nullopt) {}
  // Like a tool that gives one agent another recovery blob at the key generation.
  HandoverFixture(protocol::SuiteId suite, bool on_a_tpm, std::optional<std::size_t> deceived)
      : tpm(on_a_tpm ? std::make_unique<harness::SoftTpm>(scratch / "tpm") : nullptr),
        pair(scratch.path(), token_at(token_uri()), suite),
        bundle(onboard(pair, deceived)) {}
  std::string token_uri() const { return tpm ? tpm->uri() : token.uri(); }
  // Removes the agents' token, and restores it.
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
  NewHolders same_holders(bool new_recovery = false, const TestClient* rescuer = nullptr) {
    return {.t = 2,
            .agents = {{&pair.cloud, 1}, {&pair.company, 2}},
            .recovery = 3,
            .new_recovery = new_recovery,
            .rescuer = rescuer};
  }
  // A refresh of the current key by both agents, not yet begun.
  HandoverTool refresh() {
    return {bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 2}};
  }
  // A refresh that only the cloud's agent has prepared, not the company's.
  HandoverTool prepare_refresh_at_cloud() {
    HandoverTool tool = refresh();
    tool.run_to_deal();
    must(tool.prepare_at(pair.cloud));
    return tool;
  }
  // The company's agent, which has not confirmed the handover, voids it. The cloud's agent is shown the void.
  void abort_at_both(HandoverTool& tool) {
    const auto said = must(tool.abort_at(pair.company));
    must(tool.abort_at(pair.cloud, {statement(pair.company, said)}));
  }
  // Gives the client list to an agent that has only just got a key.
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
  // Exchanges peer questions, as happens every minute, until both agree. Returns the news, if any.
  static std::string settle(TestAgent& asker, TestAgent& asked) {
    std::string news;
    for (int i = 0; i < 4; ++i) {
      const auto question = must(asker.custodian().peers().ask()).at(0);
      const auto answer =
          must(asked.call(ipc::Route::peer_state, "", asker.tls_certificate(), question.body));
      const auto heard = must(asker.custodian().peers().heard(question, answer));
      if (heard.news) news += *heard.news;
      if (!heard.ask_again) return news;
    }
    ADD_FAILURE() << "they do not come to an end: " << news;
    return news;
  }
  // Saves a copy of the agent's store, and restores it like an attacker with access to the host's disk.
  void save(TestAgent& agent) const {
    agent.close();
    std::filesystem::copy_file(agent.store(), scratch / (agent.role() + "-saved"));
    agent.open();
  }
  void put_back(TestAgent& agent, bool marked = false) const {
    agent.close();
    std::filesystem::copy_file(scratch / (agent.role() + "-saved"), agent.store(),
                               std::filesystem::copy_options::overwrite_existing);
    if (marked) std::ofstream(agent.state() / "restored") << "by a test\n";
    agent.open();
    pair.clock->now_ms += 1000;
  }
  // The log's entries about ceremonies.
  std::vector<std::string> ceremonies(TestAgent& agent) const {
    std::vector<std::string> said;
    for (const auto& entry : read_log(agent, bundle, pair.admin))
      if (entry.kind == protocol::EntryKind::ceremony) said.push_back(entry.detail);
    return said;
  }
  // The agent's health as an administrator sees it.
  nlohmann::json health_of(TestAgent& agent) const {
    return nlohmann::json::parse(must(agent.call(ipc::Route::health, "", pair.admin.certificate.der(), {})));
  }
  // Runs SQL statements on the store of an agent that is closed or idle.
  static void sql(const TestAgent& agent, const std::string& statements) {
    run_sql(agent.store(), statements);
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  std::unique_ptr<harness::SoftTpm> tpm;
  Pair pair;
  protocol::Bundle bundle;

 private:
  static protocol::Bundle onboard(Pair& pair, std::optional<std::size_t> deceived) {
    if (deceived) pair.tool.deceive(*deceived);
    pair.onboard();
    return pair.bundle();
  }
};

}  // namespace coprotect::agent::custodian::testing
