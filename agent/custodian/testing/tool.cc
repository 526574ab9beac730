#include "agent/custodian/testing/tool.h"

#include "agent/custodian/testing/asking.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian::testing {

using ipc::Route;
using protocol::CeremonyMessage;
using protocol::Dealer;
using protocol::HpkePrivateKey;
using protocol::Parameters;
using protocol::Round;

Bytes control(const HeldInvitation& invitation, protocol::ControlKind kind, const protocol::Sid& sid) {
  protocol::ControlMessage message{
      .invitation = invitation.id, .kind = kind, .sid = sid, .nonce = {}, .mac = {}};
  system_random().fill(message.nonce);
  return message.encode(invitation.secret);
}

Tool::Tool(std::vector<TestAgent*> agents, const Company& company, protocol::SuiteId suite,
           protocol::Purpose purpose, const TestClient* rescuer)
    : agents_(std::move(agents)),
      company_(company),
      suite_(suite),
      purpose_(purpose),
      identity_(recovery_identity(rescuer)),
      recovery_key_(HpkePrivateKey::generate(system_random())) {
  for (TestAgent* const agent : agents_) invitations_.push_back(agent->invite(24 * kHourMs));
}

void Tool::run() {
  offer();
  exchange();
  prepare();
  store_blob();
  sign();
  activate();
}

Result<Bytes> Tool::post(std::size_t agent, Route route, Bytes body) {
  const bool of_ceremony = route != Route::open && route != Route::status;
  return agents_[agent]->call(route, of_ceremony ? to_hex(sid()) : "", invitations_[agent].certificate,
                              std::move(body));
}

void Tool::offer() {
  std::vector<protocol::Party> parties;
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    protocol::OpenMessage open{.invitation = invitations_[i].id,
                               .tenant = company_.tenant(),
                               .purpose = purpose_,
                               .suite = suite_,
                               .key_id = {},
                               .newest_hash = {},
                               .nonce = {},
                               .mac = {}};
    system_random().fill(open.nonce);
    const Bytes message = open.encode(invitations_[i].secret);
    const Bytes reply = must(post(i, Route::open, message));
    invariant(protocol::verify_offer_mac(invitations_[i].secret, reply, message));
    parties.push_back(party_of(*agents_[i], static_cast<std::uint8_t>(i + 1),
                               must(protocol::OfferMessage::parse(reply)).offer, company_.ca_key()));
  }
  protocol::Party self{.name = "recovery",
                       .indices = {recovery_index()},
                       .nonce = {},
                       .identity_key = identity_.public_key(),
                       .ceremony_key = recovery_key_.public_key(),
                       .mode = protocol::KeeperMode::not_an_agent,
                       .url = {},
                       .identity_certificate = std::nullopt,
                       .organisation = must(protocol::OrganisationCertificate::issue_recovery(
                           company_.tenant(), company_.ca_key(), recovery_key_.public_key()))};
  system_random().fill(self.nonce);
  parties.push_back(std::move(self));
  fields_ = Parameters::Fields{.suite = suite_,
                               .purpose = purpose_,
                               .t = 2,
                               .n = recovery_index(),
                               .tenant = company_.tenant(),
                               .parties = std::move(parties),
                               .client_ca = company_.ca(),
                               .recovery_key = recovery_key_.public_key()};
}

Result<Bytes> Tool::send_parameters(std::size_t agent) {
  parameters_ = must(Parameters::make(*fields_));
  const protocol::ParametersMessage message{
      .invitation = invitations_[agent].id, .parameters = parameters_->encoded(), .mac = {}};
  return post(agent, Route::parameters, message.encode(invitations_[agent].secret));
}

std::vector<Bytes> Tool::from_all(Route route, const std::vector<Bytes>& messages, Bytes own) {
  const Bytes list = protocol::MessageList{messages}.encode();
  std::vector<Bytes> replies;
  for (std::size_t i = 0; i < agents_.size(); ++i) replies.push_back(must(post(i, route, list)));
  replies.push_back(std::move(own));
  return replies;
}

void Tool::exchange() {
  std::vector<Bytes> commits;
  for (std::size_t i = 0; i < agents_.size(); ++i) commits.push_back(must(send_parameters(i)));
  dealer_ = must(Dealer::start(*parameters_, agents_.size(), identity_,
                               must(HpkePrivateKey::from_scalar(recovery_key_.scalar().reveal())),
                               system_random()));
  commits.push_back(dealer_->commit());
  reveals_ = from_all(Route::reveal, commits, must(dealer_->reveal(commits)));
  deals_ = from_all(Route::deal, reveals_, must(dealer_->deal(reveals_)));
}

void Tool::prepare() {
  outcome_ = must(dealer_->receive(deals_));
  confirms_ = from_all(Route::prepare, deals_, {});
}

void Tool::store_blob() {
  const Secret code = Secret::copy_of(bytes_of("0123456789ABCDEFGHJKMNPQRSTV"));
  const auto sealed = [&](std::uint8_t salt) {
    return must(protocol::RecoveryBlob::seal_with({64, 1, 1}, {salt}, {}, code, outcome_->transcript.key_id(),
                                                  suite_, recovery_key_))
        .first.encoded();
  };
  blob_ = sealed(0);
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    const Bytes given = deceived_ == i ? sealed(1) : blob_;
    const Digest hash = protocol::sha256(given);
    blob_messages_.push_back(message_of_blob(given));
    const Bytes stored = must(post(i, Route::store_blob, blob_messages_[i]));
    const auto message = must(CeremonyMessage::parse(stored, Round::stored, *parameters_));
    invariant(message.sender == i &&
              std::equal(hash.begin(), hash.end(), message.body.begin(), message.body.end()));
  }
}

Bytes Tool::message_of_blob(const Bytes& blob) const {
  const Digest hash = protocol::sha256(blob);
  const auto own =
      CeremonyMessage::sign(Round::stored, sid(), position(), Bytes(hash.begin(), hash.end()), identity_);
  return protocol::StoreBlobMessage{sid(), blob, own.encode()}.encode();
}

void Tool::sign() {
  confirms_.back() = protocol::confirm(outcome_->transcript, position(), identity_);
  bundle_ = must(protocol::Bundle::assemble(outcome_->transcript, confirms_));
}

void Tool::activate() {
  for (std::size_t i = 0; i < agents_.size(); ++i) must(post(i, Route::activate, bundle_->encoded()));
}

void Tool::learn_recovery_share(std::size_t agent, const TestClient& rescuer) {
  const Bytes parts = recovery_of(*agents_[agent], bundle(), rescuer).second;
  recovery_share_ = must(must(protocol::RecoveryParts::parse(protocol::group_of(suite_), parts))
                             .open(recovery_key_, bundle().sharing()));
}

protocol::StatusMessage Tool::status(std::size_t agent) {
  const Bytes message = control(invitations_[agent], protocol::ControlKind::status, {});
  return must(protocol::StatusMessage::parse(must(post(agent, Route::status, message))));
}

}  // namespace coprotect::agent::custodian::testing
