#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/ipc/messages.h"
#include "protocol/message/request.h"
#include "swtpm-tests/hostile/puppet_place.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {

// An agent whose operator is hostile. The test is between its real front and its real custodian, with the
// agent's own identity key and share: it can answer in the custodian's place, and its answers are signed as
// the custodian signs. What it leaves alone is answered honestly. TLS, the tokens and all others are as ever.
class TurnedAgent {
 public:
  // What it says in the place of the honest answer; nothing to leave that as it is. Called from threads of
  // the object.
  struct Lies {
    std::function<std::optional<Result<Bytes>>(protocol::HandoverStep step, ByteView payload)> handover = {};
    // What it gives who asks for the recovery parts: operation 2's plaintext.
    std::function<std::optional<Result<Bytes>>()> recovery_share = {};
    // Of a key generation, or of a handover in which it joins: the body of a message on its way to the
    // custodian, and of the answer.
    std::function<Bytes(agent::ipc::Route route, Bytes body)> to_custodian = {};
    std::function<Result<Bytes>(agent::ipc::Route route, Bytes answer)> to_tool = {};
  };

  // Restarts the agent, which holds one share of one key or no key yet, with the test inside. Fails with an
  // exception.
  enum class Holds { a_share, nothing };
  TurnedAgent(Agent& agent, const std::filesystem::path& programs, protocol::SuiteId suite,
              Holds holds = Holds::a_share);
  ~TurnedAgent();
  TurnedAgent(const TurnedAgent&) = delete;
  TurnedAgent& operator=(const TurnedAgent&) = delete;

  void tell(Lies lies);
  const protocol::SigningKey& identity() const { return identity_; }
  const AgentShare& share() const { return share_.value(); }

 private:
  // A signed request that is under way, a handover's step or operation 2: what the answer is sealed to.
  struct Asked {
    std::optional<protocol::HandoverBody> step;
    protocol::HpkePublicKey reply_key;
    Digest hash;
  };
  void carry(agent::ipc::Channel& from, agent::ipc::Channel& to, Bytes (TurnedAgent::*meddle)(Bytes));
  Bytes meddle_with_call(Bytes frame);
  Bytes meddle_with_reply(Bytes frame);
  Result<Bytes> seal(const Result<Bytes>& answer, const Asked& asked, const std::string& request_id) const;

  Agent& agent_;
  const protocol::SuiteId suite_;
  const protocol::SigningKey identity_;
  const std::optional<AgentShare> share_;
  PuppetPlace place_;
  PuppetPlace::Puppet puppet_;
  std::unique_ptr<agent::ipc::Channel> near_;  // to the front
  Daemon front_;
  std::mutex mutex_;  // guards the next three
  Lies lies_;
  std::map<std::uint64_t, agent::ipc::Route> rounds_;
  std::map<std::uint64_t, Asked> asked_;
  std::jthread outward_;  // starts the front, which dies with it
  std::jthread homeward_;
};

}  // namespace coprotect::harness
