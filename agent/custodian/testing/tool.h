#pragma once

#include <memory>
#include <vector>

#include "agent/custodian/testing/company.h"
#include "agent/custodian/testing/test_agent.h"
#include "protocol/recovery/blob.h"

namespace coprotect::agent::custodian::testing {

// A new message of an invitation's holder about its ceremony.
Bytes control(const HeldInvitation& invitation, protocol::ControlKind kind, const protocol::Sid& sid);

// The provisioning tool's side of a key generation between some agents and itself, step by step, so that a
// test can stop anywhere. Each party holds one share, and any two suffice. The last party, for recovery, is
// the tool's.
class Tool {
 public:
  // Without a rescuer, nobody holds the recovery administrator's key.
  Tool(std::vector<TestAgent*> agents, const Company& company, protocol::SuiteId suite,
       protocol::Purpose purpose = protocol::Purpose::envelope, const TestClient* rescuer = nullptr);
  // Uses another invitation for an agent.
  void use_invitation(std::size_t agent, HeldInvitation invitation) {
    invitations_[agent] = std::move(invitation);
  }

  // Runs everything.
  void run();
  void offer();
  void exchange();  // parameters, commits, reveals, deals
  void prepare();
  void store_blob();
  // Gives this agent a different blob from the rest; the recovery party vouches for that one, too.
  void deceive(std::size_t agent) { deceived_ = agent; }
  // The message that gives an agent this recovery blob, vouched for by the recovery party.
  Bytes message_of_blob(const Bytes& blob) const;
  // The tool's signature; the bundle.
  void sign();
  void activate();

  // The result of offer(); tests may change it before the agents see it.
  protocol::Parameters::Fields& fields() { return *fields_; }
  // Sends R0 to one agent.
  Result<Bytes> send_parameters(std::size_t agent);
  Result<Bytes> post(std::size_t agent, ipc::Route route, Bytes body);
  protocol::StatusMessage status(std::size_t agent);

  const protocol::Sid& sid() const { return parameters_->sid(); }
  const HeldInvitation& invitation(std::size_t agent) const { return invitations_[agent]; }
  // The result of exchange() for each party, in order: what it revealed, and what it dealt.
  const protocol::Parameters& parameters() const { return *parameters_; }
  const std::vector<Bytes>& reveals() const { return reveals_; }
  const std::vector<Bytes>& deals() const { return deals_; }
  // The recovery party's.
  const protocol::SigningKey& identity() const { return identity_; }
  const protocol::Bundle& bundle() const { return *bundle_; }
  const Bytes& blob() const { return blob_; }
  const Bytes& blob_message(std::size_t agent) const { return blob_messages_[agent]; }
  // The recovery share, from the parts that learn_recovery_share() requested from an agent.
  const protocol::Scalar& recovery_share() const { return *recovery_share_; }
  void learn_recovery_share(std::size_t agent, const TestClient& rescuer);
  const protocol::HpkePrivateKey& recovery_key() const { return recovery_key_; }

 private:
  std::uint8_t position() const { return static_cast<std::uint8_t>(agents_.size()); }
  std::uint8_t recovery_index() const { return static_cast<std::uint8_t>(agents_.size() + 1); }
  std::vector<Bytes> from_all(ipc::Route route, const std::vector<Bytes>& messages, Bytes own);

  std::vector<TestAgent*> agents_;
  const Company& company_;
  protocol::SuiteId suite_;
  protocol::Purpose purpose_;
  std::vector<HeldInvitation> invitations_;
  protocol::SigningKey identity_;
  protocol::HpkePrivateKey recovery_key_;
  std::optional<protocol::Parameters::Fields> fields_;
  std::optional<protocol::Parameters> parameters_;
  std::optional<protocol::Dealer> dealer_;
  std::optional<protocol::Dealer::Outcome> outcome_;
  std::vector<Bytes> reveals_;
  std::vector<Bytes> deals_;
  std::vector<Bytes> confirms_;
  std::vector<Bytes> blob_messages_;
  Bytes blob_;
  std::optional<std::size_t> deceived_;
  std::optional<protocol::Bundle> bundle_;
  std::optional<protocol::Scalar> recovery_share_;
};

}  // namespace coprotect::agent::custodian::testing
