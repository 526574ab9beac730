#pragma once

#include "agent/custodian/testing/asking.h"
#include "agent/custodian/testing/tool.h"

namespace coprotect::agent::custodian::testing {

// A token configured for the tests of this folder.
hsm::TokenConfig token_at(const std::string& uri);

// The two agents of tenant "acme" in one process, opened, and their clients. Not yet onboarded.
struct Pair {
  Pair(const std::filesystem::path& folder, const hsm::TokenConfig& token, protocol::SuiteId suite);

  // Runs the whole ceremony, then enrols alice, admin and rescuer at both.
  void onboard();
  // Gives both agents the company's current list.
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
