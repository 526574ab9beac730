#include "agent/custodian/testing/handover_tool.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/offer.h"
#include "protocol/message/onboarding.h"

namespace coprotect::agent::custodian::testing {

using ipc::Route;
using protocol::Deal;
using protocol::HandoverStep;
using protocol::HandoverTranscript;
using protocol::HpkePrivateKey;
using protocol::Signature;

namespace {

Bytes bytes_of_view(ByteView view) {
  return {view.begin(), view.end()};
}

Result<Signature> signature_in(const Result<Bytes>& answer) {
  if (!answer) return answer.error();
  return protocol::parse_signature(*answer);
}

}  // namespace

HandoverTool::HandoverTool(const protocol::Bundle& bundle, std::vector<TestAgent*> present,
                           const TestClient& client, NewHolders holders, std::vector<std::uint8_t> dealers)
    : epoch(bundle.epoch() + 1),
      bundle_(bundle),
      present_(std::move(present)),
      client_(client),
      holders_(std::move(holders)),
      dealers_(std::move(dealers)),
      identity_(recovery_identity(holders_.rescuer)),
      recovery_key_(HpkePrivateKey::generate(system_random())) {
  for (const auto& [agent, index] : holders_.agents)
    if (std::ranges::find(present_, agent) == present_.end())
      invitations_.emplace(agent, agent->invite(24 * kHourMs));
}

void HandoverTool::deal_with(std::uint8_t index, const protocol::Scalar& share) {
  recovery_dealer_.emplace(index, share.clone());
}

void HandoverTool::run() {
  run_to_activate();
  retire();
}

void HandoverTool::run_to_deal() {
  offer();
  plan();
  deal();
}

void HandoverTool::run_to_sign() {
  run_to_deal();
  prepare();
  sign();
}

void HandoverTool::run_to_activate() {
  run_to_sign();
  activate();
}

Result<Bytes> HandoverTool::ask(TestAgent& agent, HandoverStep step, Bytes payload) {
  const auto asking =
      testing::ask(agent, bundle_, protocol::HandoverBody{.step = step, .payload = std::move(payload)});
  const auto reply = answer(agent, asking, client_);
  if (!reply) return reply.error();
  return bytes_of_view(reply->reveal());
}

Result<Bytes> HandoverTool::post(TestAgent& agent, Route route, Bytes body) {
  const std::string subject = route == Route::open ? "" : to_hex(sid());
  return agent.call(route, subject, invitations_.at(&agent).certificate, std::move(body));
}

Result<Bytes> HandoverTool::offer_at(TestAgent& agent) {
  if (!joins(agent)) return ask(agent, HandoverStep::offer);
  const HeldInvitation& invitation = invitations_.at(&agent);
  protocol::OpenMessage open{.invitation = invitation.id,
                             .tenant = bundle_.tenant(),
                             .purpose = bundle_.parameters()->purpose,
                             .suite = bundle_.parameters()->suite,
                             .key_id = bundle_.key_id(),
                             .newest_hash = bundle_.newest_hash(),
                             .nonce = {},
                             .mac = {}};
  system_random().fill(open.nonce);
  const Bytes message = open.encode(invitation.secret);
  const auto reply = post(agent, Route::open, message);
  if (!reply) return reply;
  invariant(protocol::verify_offer_mac(invitation.secret, *reply, message));
  return must(protocol::OfferMessage::parse(*reply)).offer.encode();
}

void HandoverTool::offer() {
  std::vector<protocol::Party> parties;
  offers.clear();
  for (const auto& [agent, index] : holders_.agents) {
    offers.push_back(must(protocol::HandoverOffer::parse(must(offer_at(*agent)))));
    parties.push_back(party_of(*agent, index, offers.back(), *client_.ca_key));
  }
  for (TestAgent* const agent : present_)
    if (deals_now(*agent) && !keeps_a_share(*agent)) must(offer_at(*agent));
  const auto& from = bundle_.parameters();
  auto recovery_key = from->recovery_key;
  if (holders_.recovery != 0) {
    if (holders_.new_recovery) recovery_key = recovery_key_.public_key();
    const auto known = from.position_of("recovery");
    protocol::Party recovery{.name = "recovery",
                             .indices = {holders_.recovery},
                             .nonce = {},
                             .identity_key = known && !holders_.new_recovery
                                                 ? from->parties[*known].identity_key
                                                 : identity_.public_key(),
                             .ceremony_key = *recovery_key,
                             .mode = protocol::KeeperMode::not_an_agent,
                             .url = {},
                             .identity_certificate = std::nullopt,
                             .organisation = known && !holders_.new_recovery
                                                 ? from->parties[*known].organisation
                                                 : must(protocol::OrganisationCertificate::issue_recovery(
                                                       bundle_.tenant(), *client_.ca_key, *recovery_key))};
    system_random().fill(recovery.nonce);
    parties.push_back(std::move(recovery));
  } else {
    recovery_key.reset();
  }
  fields_ = from.fields();
  fields_->t = holders_.t;
  fields_->n = static_cast<std::uint8_t>(parties.size());
  fields_->parties = std::move(parties);
  fields_->recovery_key = recovery_key;
}

void HandoverTool::make_blob() {
  if (holders_.new_recovery) {
    const Secret code = Secret::copy_of(bytes_of("ZZZZ456789ABCDEFGHJKMNPQRSTV"));
    blob_ = must(protocol::RecoveryBlob::seal_with({64, 1, 1}, {}, {}, code, bundle_.key_id(),
                                                   bundle_.group().suite(), recovery_key_))
                .first.encoded();
  } else if (holders_.recovery != 0) {
    blob_ = recovery_of(*present_.front(), bundle_, client_).first;
  }
}

void HandoverTool::plan() {
  if (blob_.empty()) make_blob();
  auto parameters = must(protocol::Parameters::make(*fields_));
  const Digest blob_hash = parameters.recovery_party() ? protocol::sha256(blob_) : Digest{};
  plan_ = must(protocol::HandoverPlan::make({.key_id = bundle_.key_id(),
                                             .epoch = epoch,
                                             .previous = bundle_.newest_hash(),
                                             .dealers = dealers_,
                                             .blob_hash = blob_hash,
                                             .parameters = std::move(parameters)}));
  if (recovery_dealer_)
    recovery_proof =
        protocol::prove_recovery_share(*plan_, bundle_.sharing(), recovery_dealer_->second, system_random());
}

bool HandoverTool::keeps_a_share(const TestAgent& agent) const {
  return std::ranges::any_of(holders_.agents, [&](const auto& holder) { return holder.first == &agent; });
}

bool HandoverTool::deals_now(const TestAgent& agent) const {
  const auto& parameters = bundle_.parameters();
  const auto position = parameters.position_of(agent.identity_key());
  return position &&
         std::ranges::find(dealers_, parameters->parties[*position].indices.front()) != dealers_.end();
}

Result<Bytes> HandoverTool::deal_at(TestAgent& agent) {
  const protocol::DealRequest request{
      .plan = plan_->encoded(), .offers = offers, .consents = consents, .recovery_proof = recovery_proof};
  return ask(agent, HandoverStep::deal, request.encode());
}

Result<protocol::Consent> HandoverTool::consent_at(TestAgent& agent) {
  const protocol::DealRequest request{
      .plan = plan_->encoded(), .offers = offers, .consents = {}, .recovery_proof = recovery_proof};
  const auto answer = ask(agent, HandoverStep::consent, request.encode());
  if (!answer) return answer.error();
  return protocol::Consent::parse(*answer);
}

void HandoverTool::gather_consents() {
  consents.clear();
  if (plan_->refreshes(bundle_.sharing())) return;
  for (TestAgent* const agent : present_) {
    if (!deals_now(*agent) && !keeps_a_share(*agent)) continue;
    auto consent = consent_at(*agent);
    if (!consent && approving_.contains(agent)) {
      agent->approve(*plan_);
      consent = consent_at(*agent);
    }
    consents.push_back(must(std::move(consent)).encode());
  }
}

void HandoverTool::deal() {
  gather_consents();
  std::map<std::uint8_t, Bytes> by_index;
  for (TestAgent* const agent : present_) {
    if (!keeps_a_share(*agent) && !deals_now(*agent)) continue;
    for (Bytes& bytes : must(protocol::MessageList::parse(must(deal_at(*agent)))).messages) {
      const std::uint8_t index = must(Deal::parse(bytes, *plan_)).open.index;
      by_index.emplace(index, std::move(bytes));
    }
  }
  if (recovery_dealer_) {
    const auto& [index, share] = *recovery_dealer_;
    by_index.emplace(index, must(protocol::make_deal(*plan_, index, share, system_random())).encode());
  }
  deals.clear();
  for (auto& [index, bytes] : by_index) deals.push_back(std::move(bytes));
  make_transcript();
}

void HandoverTool::make_transcript() {
  std::vector<Deal> dealt;
  for (const Bytes& bytes : deals) dealt.push_back(must(Deal::parse(bytes, *plan_)));
  std::vector<protocol::PublicDeal> open;
  for (const Deal& d : dealt) open.push_back(must(protocol::PublicDeal::parse(d.open.encode(), *plan_)));
  transcript_ =
      must(HandoverTranscript::make(bundle_.sharing(), bundle_.newest_hash(), *plan_, std::move(open)));
  if (!holders_.new_recovery) return;
  const auto signature = protocol::prove_recovery_key(plan_->sid(), protocol::sha256(blob_), recovery_key_);
  possession.assign(signature.begin(), signature.end());
}

Bytes HandoverTool::join_message(const TestAgent& agent) const {
  const HeldInvitation& invitation = invitations_.at(&agent);
  const protocol::JoinMessage message{.invitation = invitation.id,
                                      .bundle = bundle_.encoded(),
                                      .plan = plan_->encoded(),
                                      .deals = deals,
                                      .blob = blob_,
                                      .possession = possession,
                                      .mac = {}};
  return message.encode(invitation.secret);
}

Bytes HandoverTool::void_message(const TestAgent& agent) const {
  const HeldInvitation& invitation = invitations_.at(&agent);
  return protocol::VoidMessage{invitation.id, plan_->encoded(), {}}.encode(invitation.secret);
}

Result<Signature> HandoverTool::prepare_at(TestAgent& agent) {
  const Bytes blob = holders_.new_recovery ? blob_ : Bytes{};
  const protocol::PrepareRequest request{.deals = deals, .blob = blob, .possession = possession};
  auto signature = signature_in(joins(agent) ? post(agent, Route::join, join_message(agent))
                                             : ask(agent, HandoverStep::prepare, request.encode()));
  if (signature) confirmations_[agent.identity_key().bytes()] = *signature;
  return signature;
}

void HandoverTool::prepare() {
  for (const auto& [agent, index] : holders_.agents) must(prepare_at(*agent));
}

void HandoverTool::sign() {
  std::vector<Signature> signatures;
  for (const std::size_t signer : transcript_->signers()) {
    const protocol::Party& party = (*plan_)->parameters->parties[signer];
    signatures.push_back(party.is_agent() ? confirmations_.at(party.identity_key.bytes())
                                          : protocol::confirm_handover(*transcript_, identity_));
  }
  version = protocol::HandoverVersion::encode(*transcript_, signatures);
  next_ = must(bundle_.followed_by(version));
}

Result<Signature> HandoverTool::activate_at(TestAgent& agent) {
  auto signature = signature_in(joins(agent) ? post(agent, Route::activate, next_->encoded())
                                             : ask(agent, HandoverStep::activate, version));
  if (signature) acknowledgements.push_back(statement(agent, *signature));
  return signature;
}

void HandoverTool::activate() {
  for (const auto& [agent, index] : holders_.agents) {
    const auto said = must(activate_at(*agent));
    invariant(protocol::verify_acknowledgement(agent->identity_key(), sid(), next_->newest_hash(), said));
  }
}

Result<Bytes> HandoverTool::retire_at(TestAgent& agent) {
  return ask(agent, HandoverStep::retire, protocol::RetireRequest{version, acknowledgements}.encode());
}

void HandoverTool::retire() {
  for (TestAgent* const agent : present_) must(retire_at(*agent));
}

Result<Signature> HandoverTool::abort_at(TestAgent& agent, std::vector<protocol::Statement> voids) {
  if (joins(agent)) return signature_in(post(agent, Route::abort, void_message(agent)));
  return signature_in(
      ask(agent, HandoverStep::abort, protocol::AbortRequest{plan_->encoded(), std::move(voids)}.encode()));
}

protocol::HandoverStatus HandoverTool::status(TestAgent& agent) {
  return must(protocol::HandoverStatus::parse(must(ask(agent, HandoverStep::status))));
}

protocol::Statement statement(const TestAgent& agent, const Signature& signature) {
  return {agent.identity_key().bytes(), signature};
}

bool opens(const protocol::Bundle& bundle, const TestClient& user, const std::vector<TestAgent*>& agents,
           const std::optional<RecoveryShare>& recovery) {
  const TestFile file = encrypt(bundle);
  const protocol::Stanza& stanza = *must(file.header.stanza_for(bundle.key_id()));
  std::vector<protocol::IndexedPartial> quorum;
  for (TestAgent* const agent : agents) {
    protocol::PartialDecryptBody body;
    body.items.push_back(item_of(file, bundle));
    const auto reply = must(partials(*agent, bundle, ask(*agent, bundle, std::move(body)), user));
    quorum.push_back({reply.index, *reply.items.front().value});
  }
  if (recovery)
    quorum.push_back({recovery->index, bundle.group().power_secret(stanza.ciphertext.c1, recovery->share)});
  const auto m = protocol::combine(stanza.ciphertext.c2, quorum);
  const auto unlocked = m ? file.header.unlock(*m) : Result<Secret>(m.error());
  return unlocked && equal_in_constant_time(*unlocked, file.file_key);
}

}  // namespace coprotect::agent::custodian::testing
