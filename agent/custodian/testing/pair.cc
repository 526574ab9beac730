#include "agent/custodian/testing/pair.h"

#include "protocol/base/test_must.h"

namespace coprotect::agent::custodian::testing {

hsm::TokenConfig token_at(const std::string& uri) {
  return {.uri = uri, .helper = std::filesystem::path(COPROTECT_PROGRAM_DIR) / "coprotect-token"};
}

Pair::Pair(const std::filesystem::path& folder, const hsm::TokenConfig& token, protocol::SuiteId suite)
    : cloud(folder / "cloud", "cloud", token, clock),
      company(folder / "company", "company", token, clock),
      acme("acme", clock->now_ms),
      alice(acme.enrol("user", "alice", {.groups = {"coprotect:acme:group:staff"}})),
      admin(acme.enrol("admin", "root")),
      rescuer(acme.enrol("recovery", "safe")),
      tool({&cloud, &company}, acme, suite, protocol::Purpose::envelope, &rescuer) {
  cloud.open();
  company.open();
}

void Pair::onboard() {
  tool.run();
  const Bytes list = acme.next_list();
  for (std::size_t i : {0u, 1u}) {
    TestAgent& agent = i == 0 ? cloud : company;
    must(agent.call(ipc::Route::client_list_put, "acme", admin.certificate.der(), list));
  }
  tool.learn_recovery_share(0, rescuer);
}

void Pair::publish_clients(ByteView peer) {
  const Bytes list = acme.next_list();
  for (TestAgent* agent : {&cloud, &company})
    must(agent->call(ipc::Route::client_list_put, "acme", peer, list));
}

Asking Pair::ask_for(const TestAgent& agent, const std::vector<const TestFile*>& files) const {
  protocol::PartialDecryptBody body;
  for (const TestFile* file : files) body.items.push_back(item_of(*file, bundle()));
  return ask(agent, bundle(), std::move(body));
}

}  // namespace coprotect::agent::custodian::testing
