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

// A key in one epoch: what its parties have of it.
struct Epoch {
  protocol::Bundle bundle;
  std::map<std::uint8_t, protocol::Scalar> shares;
  Bytes parts;  // of the recovery share
};

// What one agent answers.
struct Agent {
  std::set<std::uint32_t> serves;  // epochs; none: it left
  std::optional<Bytes> shows;      // as the key's bundle; none: it knows no such key
  Bytes blob;
  std::optional<Bytes> parts = {};  // instead of those of the epoch
  Code elsewhere = Code::conflict;  // how it refuses another epoch
  // The answer to whoever asks for the tenant's client list or key list.
  Result<Bytes> list = Error(Code::not_found, "there is no list");
  std::optional<Result<Bytes>> key_list = {};  // instead of that, to whoever asks for the key list
  // The answer to whoever brings one. It is empty if the agent takes the list, which it then tells.
  Result<Bytes> takes_list = Bytes{};
  std::atomic<int> lists_put = 0;  // how often it took one
  // The answer to each step of a handover.
  std::function<Result<Bytes>(const protocol::HandoverBody&)> handover = {};
  std::vector<protocol::DrillReportBody> reports = {};  // that it was told of
  // Tests read these while the agent may still be in its answer.
  std::atomic<int> hangs_up = 0;     // on so many that ask from now on
  std::atomic<bool> silent = false;  // answers nobody until this is false again
  std::atomic<int> shown = 0;        // how often it showed a bundle
  std::atomic<int> asked = 0;        // how often it was asked with a signed request
};

// A key of the company "acme" and its agents as clients see them: over TLS, with the real protocol, each in
// the epochs that the test says. There is room for agents "cloud", "company" and "site".
class TestAgents {
 public:
  using Layout = protocol::test::Layout;
  explicit TestAgents(protocol::SuiteId suite, protocol::Purpose purpose = protocol::Purpose::envelope);

  // Agents of cloud and company, or of cloud and site.
  Layout first_layout() const { return layout("company"); }
  Layout other_layout() const { return layout("site"); }
  // To the next epoch, or `skipped` epochs after it; what each agent serves and shows is left as it is.
  const Epoch& hand_over(const Layout& layout, bool new_code = false, std::uint32_t skipped = 0);
  // The blob that all agents keep, and that versions name, until there is a new code.
  void keep_blob(const Bytes& blob);
  // A handover to the next epoch that only looks like that: nobody is in that epoch.
  protocol::Bundle fork();
  const Epoch& epoch(std::uint32_t number) const { return epochs_.at(number); }
  const protocol::Bundle& newest() const { return key_.bundle; }
  // Of the newest epoch, or of that of a fork, by all its agents.
  std::vector<protocol::Statement> acknowledgements() const { return acknowledgements(key_.bundle); }
  std::vector<protocol::Statement> acknowledgements(const protocol::Bundle& bundle) const;
  // The agent is in these epochs alone, and shows the first of them.
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
