#pragma once

#include "agent/custodian/testing/asking.h"
#include "agent/custodian/testing/tool.h"

namespace coprotect::agent::custodian::testing {

// A token as the tests of this folder reach it.
hsm::TokenConfig token_at(const std::string& uri);

// The two agents of tenant "acme" in one process, opened, and those who talk to them. Not yet onboarded.
struct Pair {
  Pair(const std::filesystem::path& folder, const hsm::TokenConfig& token, protocol::SuiteId suite);

  // The whole ceremony; then alice, admin and rescuer are enrolled at both.
  void onboard();
  // Gives both agents the company's list as it is now.
  void publish_clients(ByteView peer);
  const protocol::Bundle& bundle() const { return tool.bundle(); }
  // A request for these files.
  Asking ask_for(const TestAgent& agent, const std::vector<const TestFile*>& files) const;

  std::shared_ptr<Clock> clock = std::make_shared<Clock>();
  TestAgent cloud;
  TestAgent company;
  Company acme;
  TestClient alice;
  TestClient admin;
  TestClient rescuer;
  Tool tool;
};

}  // namespace coprotect::agent::custodian::testing
