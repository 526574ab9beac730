#pragma once

#include <map>
#include <set>

#include "agent/custodian/testing/asking.h"
#include "protocol/message/handover.h"
#include "protocol/recovery/blob.h"

namespace coprotect::agent::custodian::testing {

// The future holders of a key.
struct NewHolders {
  std::uint8_t t;
  std::vector<std::pair<TestAgent*, std::uint8_t>> agents;  // each with its index
  std::uint8_t recovery = 0;                                // the recovery party's index, if there is one
  bool new_recovery = false;                                // under a new recovery key
  const TestClient* rescuer = nullptr;                      // the holder of that key, if a test needs one
};

// The provisioning tool's side of a handover, step by step, so that a test can stop or interfere anywhere.
// Agents that do not hold the key join by an invitation.
class HandoverTool {
 public:
  // `present` hold the key as `bundle` says, `dealers` are the indices that deal.
  HandoverTool(const protocol::Bundle& bundle, std::vector<TestAgent*> present, const TestClient& client,
               NewHolders holders, std::vector<std::uint8_t> dealers);

  // Makes the recovery share of the current epoch deal.
  void deal_with(std::uint8_t index, const protocol::Scalar& share);
  // Makes the operator of a dealing agent approve the plan, once the agent is asked for its consent.
  void approve(TestAgent& agent) { approving_.insert(&agent); }

  // Runs everything, or all steps up to this one.
  void run();
  void run_to_deal();
  void run_to_sign();
  void run_to_activate();

  void offer();
  void plan();
  void deal();
  void prepare();
  void sign();
  void activate();
  void retire();

  // One step at one agent. The errors are the agent's.
  Result<Bytes> offer_at(TestAgent& agent);
  // With the consents collected so far.
  Result<Bytes> deal_at(TestAgent& agent);
  // Asks for the agent's consent, even if its operator has not approved.
  Result<protocol::Consent> consent_at(TestAgent& agent);
  // Asks all dealing agents. Operators approve as set by approve().
  void gather_consents();
  Result<protocol::Signature> prepare_at(TestAgent& agent);
  Result<protocol::Signature> activate_at(TestAgent& agent);
  Result<Bytes> retire_at(TestAgent& agent);
  Result<protocol::Signature> abort_at(TestAgent& agent, std::vector<protocol::Statement> voids = {});
  protocol::HandoverStatus status(TestAgent& agent);
  Result<Bytes> ask(TestAgent& agent, protocol::HandoverStep step, Bytes payload = {});
  Result<Bytes> post(TestAgent& agent, ipc::Route route, Bytes body);

  // The data to send; tests may change it.
  protocol::Parameters::Fields& fields() { return *fields_; }
  std::uint32_t epoch;                          // the new one
  std::vector<protocol::HandoverOffer> offers;  // in the plan's order
  std::vector<Bytes> consents;
  Bytes recovery_proof;  // proves that the recovery share deals; plan() makes it
  std::vector<Bytes> deals;
  Bytes possession;  // of the new recovery key
  // Before plan(): the blob that the plan names; afterwards: the blob that is sent.
  void send_blob(Bytes blob) { blob_ = std::move(blob); }
  Bytes version;
  std::vector<protocol::Statement> acknowledgements;

  const protocol::HandoverPlan& the_plan() const { return *plan_; }
  const protocol::Sid& sid() const { return plan_->sid(); }
  const protocol::Bundle& bundle() const { return *next_; }
  const HeldInvitation& invitation(const TestAgent& agent) const { return invitations_.at(&agent); }
  Bytes join_message(const TestAgent& agent) const;
  Bytes void_message(const TestAgent& agent) const;
  // Of a new code.
  const protocol::HpkePrivateKey& recovery_key() const { return recovery_key_; }
  const Bytes& blob() const { return blob_; }

 private:
  bool joins(const TestAgent& agent) const { return invitations_.contains(&agent); }
  bool keeps_a_share(const TestAgent& agent) const;
  bool deals_now(const TestAgent& agent) const;
  void make_blob();
  void make_transcript();

  protocol::Bundle bundle_;
  std::vector<TestAgent*> present_;
  const TestClient& client_;
  NewHolders holders_;
  std::vector<std::uint8_t> dealers_;
  std::map<const TestAgent*, HeldInvitation> invitations_;
  std::set<TestAgent*> approving_;
  std::optional<std::pair<std::uint8_t, protocol::Scalar>> recovery_dealer_;

  protocol::SigningKey identity_;
  protocol::HpkePrivateKey recovery_key_;
  std::optional<protocol::Parameters::Fields> fields_;
  std::optional<protocol::HandoverPlan> plan_;
  std::optional<protocol::HandoverTranscript> transcript_;
  Bytes blob_;
  std::map<protocol::PublicKeyBytes, protocol::Signature> confirmations_;
  std::optional<protocol::Bundle> next_;
};

// A statement of an agent, as abort and retire take it.
protocol::Statement statement(const TestAgent& agent, const protocol::Signature& signature);
// Whether these agents, with the recovery share of an index if given, open a new file of the bundle.
struct RecoveryShare {
  std::uint8_t index;
  const protocol::Scalar& share;
};
bool opens(const protocol::Bundle& bundle, const TestClient& user, const std::vector<TestAgent*>& agents,
           const std::optional<RecoveryShare>& recovery = std::nullopt);

}  // namespace coprotect::agent::custodian::testing
