#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "client/held_bundle.h"
#include "client/tls_server.h"
#include "protocol/handover/test_handover.h"
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
  int shown = 0;                    // how often it showed a bundle
  int asked = 0;                    // how often it was asked with a signed request
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
  // To the next epoch; what each agent serves and shows is left as it is.
  const Epoch& hand_over(const Layout& layout);
  // A handover to the next epoch that only looks like that: nobody is in that epoch.
  protocol::Bundle fork();
  const Epoch& epoch(std::uint32_t number) const { return epochs_.at(number); }
  const protocol::Bundle& newest() const { return key_.bundle; }
  // The agent is in these epochs alone, and shows the first of them.
  void put(const std::string& name, std::set<std::uint32_t> serves);
  void leave(const std::string& name, std::uint32_t shows);
  Agent& agent(const std::string& name) { return agents_[name]; }
  void stop(const std::string& name) { servers_.erase(name); }
  std::string url(const std::string& name) const { return urls_.at(name); }

  Credentials credentials() const;
  const protocol::HpkePrivateKey& recovery_key() const { return key_.recovery_key; }

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
