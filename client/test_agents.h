#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "client/held_bundle.h"
#include "client/tls_server.h"
#include "protocol/handover/test_handover.h"
#include "protocol/message/handover.h"
#include "protocol/message/request.h"
#include "protocol/recovery/blob.h"

namespace coprotect::client::test {

// A key in one epoch, with what its parties hold.
struct Epoch {
  protocol::Bundle bundle;
  std::map<std::uint8_t, protocol::Scalar> shares;
  Bytes parts;  // of the recovery share
};

// One agent's behaviour.
struct Agent {
  std::set<std::uint32_t> serves;  // epochs; empty: it has left
  std::optional<Bytes> shows;      // the key's bundle; none: it does not know the key
  Bytes blob;
  std::optional<Bytes> parts = {};  // replaces those of the epoch
  Code elsewhere = Code::conflict;  // how it refuses another epoch
  // The answer to a request for the tenant's client list or key list.
  Result<Bytes> list = Error(Code::not_found, "there is no list");
  std::optional<Result<Bytes>> key_list = {};  // replaces `list` for requests for the key list
  // The answer to a new list. Empty if the agent accepts it and then serves it.
  Result<Bytes> takes_list = Bytes{};
  std::atomic<int> lists_put = 0;  // how many it accepted
  // The answer to each step of a handover.
  std::function<Result<Bytes>(const protocol::HandoverBody&)> handover = {};
  std::vector<protocol::DrillReportBody> reports = {};  // that it received
  // Tests read these while the agent may still be answering.
  std::atomic<int> hangs_up = 0;     // closes the connection for this many requests
  std::atomic<bool> silent = false;  // does not answer while true
  std::atomic<int> shown = 0;        // how often it showed a bundle
  std::atomic<int> asked = 0;        // how many signed requests it received
};

// A key of the company "acme" and its agents as clients see them: over TLS, with the real protocol, each in
// the epochs that the test chooses. There is room for agents "cloud", "company" and "site".
class TestAgents {
 public:
  using Layout = protocol::test::Layout;
  explicit TestAgents(protocol::SuiteId suite, protocol::Purpose purpose = protocol::Purpose::envelope);

  // Agents of cloud and company, or of cloud and site.
  Layout first_layout() const { return layout("company"); }
  Layout other_layout() const { return layout("site"); }
  // Hands over to the next epoch, or to one `skipped` epochs later. What each agent serves and shows does not
  // change.
  const Epoch& hand_over(const Layout& layout, bool new_code = false, std::uint32_t skipped = 0);
  // The blob that all agents keep, and that versions name, until there is a new code.
  void keep_blob(const Bytes& blob);
  // A handover to the next epoch that only looks valid: no agent is in that epoch.
  protocol::Bundle fork();
  const Epoch& epoch(std::uint32_t number) const { return epochs_.at(number); }
  const protocol::Bundle& newest() const { return key_.bundle; }
  // For the newest epoch, or a fork's, by all its agents.
  std::vector<protocol::Statement> acknowledgements() const { return acknowledgements(key_.bundle); }
  std::vector<protocol::Statement> acknowledgements(const protocol::Bundle& bundle) const;
  // Puts the agent in these epochs only. It shows the first of them.
  void put(const std::string& name, std::set<std::uint32_t> serves);
  void leave(const std::string& name, std::uint32_t shows);
  Agent& agent(const std::string& name) { return agents_[name]; }
  void stop(const std::string& name) { servers_.erase(name); }
  std::string url(const std::string& name) const { return urls_.at(name); }

  Credentials credentials(const std::string& uri = "coprotect:acme:user:alice") const;
  const protocol::HpkePrivateKey& recovery_key() const { return key_.recovery_key; }
  const protocol::SigningKey& client_ca_key() const { return key_.client_ca_key; }
  const protocol::SigningKey& identity(const std::string& name) const { return key_.identities.at(name); }

 private:
  Layout layout(const std::string& second) const;
  void start(const std::string& name, const protocol::Certificate& identity);
  std::string answer(const std::string& name, const std::string& request);
  // One agent's own answer to a signed request, sealed.
  Result<Bytes> serve(const std::string& name, ByteView signed_request);
  Result<Secret> judge(const std::string& name, protocol::SignedRequest::Envelope envelope);
  Result<Secret> compute(const std::string& name, const protocol::SignedRequest& request);
  Result<Bytes> serve_chain(ByteView message);

  const std::int64_t now_ms_;
  std::map<std::string, TlsListener> listeners_;
  std::map<std::string, std::string> urls_;
  std::map<std::string, protocol::SigningKey> tls_keys_;
  protocol::test::TestKey key_;
  protocol::SigningKey client_key_ = protocol::SigningKey::generate(system_random());
  std::map<std::uint32_t, Epoch> epochs_;
  std::mutex mutex_;
  std::map<std::string, Agent> agents_;
  std::map<std::string, std::unique_ptr<TlsServer>> servers_;
};

}  // namespace coprotect::client::test
