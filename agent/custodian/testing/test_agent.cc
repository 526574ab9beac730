#include "agent/custodian/testing/test_agent.h"

#include <fstream>

#include "agent/custodian/testing/company.h"
#include "hsm/forwarding_keeper.h"
#include "hsm/log_repair_files.h"
#include "hsm/sealed_keeper.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::custodian::testing {
namespace {

using protocol::CertificateUse;
using protocol::OrganisationCertificate;
using protocol::SigningKey;

// A real keeper that counts its computations.
class CountingKeeper final : public hsm::ForwardingKeeper {
 public:
  CountingKeeper(std::unique_ptr<hsm::ShareKeeper> keeper, std::shared_ptr<std::atomic<int>> computed,
                 std::shared_ptr<std::function<void()>> on_use)
      : ForwardingKeeper(std::move(keeper)), computed_(std::move(computed)), on_use_(std::move(on_use)) {}

  Result<protocol::PartialSet> compute(const hsm::ShareId& id, ByteView record,
                                       const protocol::Element& public_share,
                                       std::span<const protocol::Element> bases, const Digest& context,
                                       Random& random, const Interest& interest) override {
    ++*computed_;
    if (*on_use_) (*on_use_)();
    return ForwardingKeeper::compute(id, record, public_share, bases, context, random, interest);
  }
  Result<protocol::Deal> deal(const hsm::ShareId& id, ByteView record, const protocol::Element& public_share,
                              const protocol::HandoverPlan& plan, Random& random) override {
    ++*computed_;
    return ForwardingKeeper::deal(id, record, public_share, plan, random);
  }
  Result<protocol::ShareProof> prove(const hsm::ShareId& id, ByteView record,
                                     const protocol::Element& public_share, const Digest& offer_hash,
                                     Random& random) override {
    ++*computed_;
    return ForwardingKeeper::prove(id, record, public_share, offer_hash, random);
  }

 private:
  std::shared_ptr<std::atomic<int>> computed_;
  std::shared_ptr<std::function<void()>> on_use_;
};

}  // namespace

protocol::Party party_of(const TestAgent& agent, std::uint8_t index, const protocol::HandoverOffer& offer,
                         const SigningKey& ca) {
  return {.name = agent.role(),
          .indices = {index},
          .nonce = offer.nonce,
          .identity_key = agent.identity_key(),
          .ceremony_key = offer.ceremony_key,
          .mode = offer.mode,
          .url = agent.url(),
          .identity_certificate = agent.identity_certificate(),
          .organisation = agent.certified(ca)};
}

protocol::Party stranger(const std::string& name, std::uint8_t index, std::int64_t now_ms) {
  const SigningKey key = SigningKey::generate(system_random());
  protocol::Party party{
      .name = name,
      .indices = {index},
      .nonce = {},
      .identity_key = key.public_key(),
      .ceremony_key = protocol::HpkePrivateKey::generate(system_random()).public_key(),
      .mode = protocol::KeeperMode::sealed,
      .url = "https://" + name + ".example:8443",
      .identity_certificate = issue(name, CertificateUse::authority, {}, key.public_key(), nullptr, key,
                                    now_ms - kHourMs, now_ms + 100'000 * kHourMs),
      .organisation = must(
          OrganisationCertificate::issue(protocol::OrganisationKind::agent, name, key, key.public_key()))};
  system_random().fill(party.nonce);
  return party;
}

const SigningKey& provider_key() {
  static const SigningKey key = SigningKey::generate(system_random());
  return key;
}

TestAgent::TestAgent(const std::filesystem::path& folder, std::string role, hsm::TokenConfig token,
                     std::shared_ptr<Clock> clock)
    : folder_(folder), role_(std::move(role)), token_(std::move(token)), clock_(std::move(clock)) {
  std::filesystem::create_directories(state() / "invitations");
  const auto keyring = must(hsm::Keyring::create(hsm::Token(token_), folder_ / "keyring", system_random()));
  identity_certificate_ =
      issue(role_, CertificateUse::authority, {}, keyring.identity().public_key(), nullptr,
            keyring.identity(), now_ms() - kHourMs, now_ms() + 100'000 * kHourMs);
  tls_certificate_ =
      issue(role_, CertificateUse::agent, {}, SigningKey::generate(system_random()).public_key(),
            &*identity_certificate_, keyring.identity(), now_ms() - kHourMs, now_ms() + 100'000 * kHourMs)
          .der();
  if (role_.starts_with("cloud"))
    organisation = must(OrganisationCertificate::issue(protocol::OrganisationKind::agent, "provider",
                                                       provider_key(), identity_key()));
}

TestAgent::TestAgent(const TestAgent& original, const std::filesystem::path& folder)
    : organisation(original.organisation),
      destroy_wait(original.destroy_wait),
      folder_(folder),
      role_(original.role_),
      token_(original.token_),
      clock_(original.clock_),
      identity_certificate_(original.identity_certificate_),
      tls_certificate_(original.tls_certificate_) {
  invariant(original.custodian_ == nullptr);
  std::filesystem::copy(original.folder_, folder_, std::filesystem::copy_options::recursive);
}

OrganisationCertificate TestAgent::certified(const SigningKey& ca) const {
  if (organisation) return *organisation;
  // Only once for each CA: a refresh must keep the certificate byte for byte.
  const auto known = certified_.find(ca.public_key().bytes());
  if (known != certified_.end()) return known->second;
  return certified_
      .emplace(ca.public_key().bytes(), must(OrganisationCertificate::issue(protocol::OrganisationKind::agent,
                                                                            "company", ca, identity_key())))
      .first->second;
}

hsm::Keyring TestAgent::keyring() const {
  return must(hsm::Keyring::open(hsm::Token(token_), folder_ / "keyring"));
}

protocol::SigningKey TestAgent::stolen_identity() const {
  return must(SigningKey::from_scalar(keyring().identity().scalar().reveal()));
}

std::function<std::future<bool>(const Notification&)> TestAgent::notifying() const {
  if (!notify) return nullptr;
  return [tell = notify, works = notifies](const Notification& notification) {
    if (*works) tell(notification);
    std::promise<bool> told;
    told.set_value(*works);
    return told.get_future();
  };
}

Settings TestAgent::settings() const {
  return {.role = role_,
          .url = url(),
          .identity_certificate = *identity_certificate_,
          .organisation = organisation,
          .folder = folder_,
          .allow_recover = allow_recover,
          .requests = requests,
          .allow_sole_holder = allow_sole_holder,
          .agents_of_new_keys = agents_of_new_keys,
          .handover = {.delay_ms = handover_delay_ms, .announced = announced, .notify = notifying()},
          .derive = derive,
          .destroy_wait = destroy_wait,
          .now_ms = [clock = clock_] { return clock->now_ms.load(); },
          .steady_ms = [clock = clock_] { return clock->now_ms - clock->set_forward_ms; }};
}

Result<std::unique_ptr<Custodian>> TestAgent::inspect() const {
  auto own = keyring();
  auto keeper = hsm::make_sealed_keeper(hsm::Token(token_).named(own.token_name()),
                                        state() / hsm::kEpochKeysFile, std::chrono::minutes(5));
  return Custodian::inspect(settings(), std::move(own), std::move(keeper));
}

Status TestAgent::try_open() {
  auto own = keyring();
  auto keeper = hsm::make_sealed_keeper(hsm::Token(token_).named(own.token_name()),
                                        state() / hsm::kEpochKeysFile, std::chrono::minutes(5));
  auto opened = Custodian::open(settings(), std::move(own),
                                std::make_unique<CountingKeeper>(std::move(keeper), computed_, on_use));
  if (!opened) return std::move(opened).error();
  custodian_ = *std::move(opened);
  return Done{};
}

void TestAgent::open() {
  must(try_open());
}

Result<Bytes> TestAgent::call(ipc::Route route, const std::string& subject, ByteView peer, Bytes body) {
  const ipc::Call call{.id = 7,
                       .route = route,
                       .subject = subject,
                       .peer_certificate = Bytes(peer.begin(), peer.end()),
                       .budget_ms = 30'000,
                       .body = std::move(body)};
  Answer answer = caller != nullptr ? custodian_->answer(call, *caller) : custodian_->answer(call);
  ipc::Reply& reply = answer.reply;
  invariant(reply.id == call.id && reply.request_id.size() == 16);
  // Nothing can ask the others: the list is as if none of them could be reached.
  for (auto& chain = answer.chain; chain;) {
    if (chain->next() == nullptr) return chain->list();
    chain->answered(carry ? carry(*chain) : Error(Code::unavailable, "no network"));
  }
  if (reply.error) return *std::move(reply.error);
  return std::move(reply.body);
}

void TestAgent::approve(const protocol::HandoverPlan& plan, std::int64_t valid_ms) const {
  const auto own = keyring();
  must(hsm::PlanApprovals(state(), own)
           .approve({.key_id = plan->key_id,
                     .plan_hash = protocol::plan_hash(plan),
                     .not_after_ms = now_ms() + valid_ms}));
}

void TestAgent::withdraw(const protocol::HandoverPlan& plan) const {
  const auto own = keyring();
  must(hsm::PlanApprovals(state(), own).withdraw(protocol::plan_hash(plan)));
}

std::vector<protocol::PendingPlan> TestAgent::pending() const {
  const auto own = keyring();
  return must(hsm::PlanApprovals(state(), own).all_pending()).plans;
}

void TestAgent::hold_erasure(const protocol::KeyId& key_id, bool held) const {
  const auto own = keyring();
  must(hsm::ErasureHolds(folder_, own).put(key_id, held, now_ms()));
}

void TestAgent::request_cut(const hsm::LogCutRequest& request) const {
  const auto own = keyring();
  must(hsm::LogCutRequests(folder_, own).put(request));
}

void TestAgent::leave_entry(std::uint64_t seq, const Bytes& entry) const {
  const auto own = keyring();
  must(hsm::LogRepairFiles(folder_, own).put(seq, entry));
}

HeldInvitation TestAgent::invite(std::int64_t valid_ms, const std::string& tenant) {
  HeldInvitation held{{}, Secret(16), {}};
  system_random().fill(held.id);
  system_random().fill(held.secret.fill());
  const std::string name = to_hex(held.id);
  Secret record(24 + tenant.size());
  Writer expires;
  expires.u64(static_cast<std::uint64_t>(now_ms() + valid_ms));
  std::copy_n(held.secret.reveal().begin(), 16, record.fill().begin());
  std::copy_n(expires.view().begin(), 8, record.fill().begin() + 16);
  std::ranges::copy(bytes_of(tenant), record.fill().begin() + 24);

  const auto own = keyring();
  const Bytes wrapped = own.wrap("invitation:" + name, record, system_random());
  std::ofstream file(state() / "invitations" / name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(wrapped.data()), static_cast<std::streamsize>(wrapped.size()));
  invariant(static_cast<bool>(file.flush()));
  const SigningKey key = SigningKey::generate(system_random());
  held.certificate =
      issue("invitation", CertificateUse::client, {"coprotect:invitation:" + name}, key.public_key(),
            &*identity_certificate_, own.identity(), now_ms() - kHourMs, now_ms() + 48 * kHourMs)
          .der();
  return held;
}

}  // namespace coprotect::agent::custodian::testing
