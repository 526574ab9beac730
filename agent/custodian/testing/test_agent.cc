#include "agent/custodian/testing/test_agent.h"

#include <fstream>

#include "agent/custodian/testing/company.h"
#include "hsm/sealed_keeper.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::custodian::testing {
namespace {

using protocol::CertificateUse;
using protocol::OrganisationCertificate;
using protocol::SigningKey;

// A real keeper, and how often it computed.
class CountingKeeper : public hsm::ShareKeeper {
 public:
  CountingKeeper(std::unique_ptr<hsm::ShareKeeper> keeper, std::shared_ptr<std::atomic<int>> computed)
      : keeper_(std::move(keeper)), computed_(std::move(computed)) {}

  protocol::KeeperMode mode() const override { return keeper_->mode(); }
  Result<Bytes> seal(const hsm::ShareId& id, const protocol::Scalar& share) override {
    return keeper_->seal(id, share);
  }
  Result<protocol::PartialSet> compute(const hsm::ShareId& id, ByteView record,
                                       const protocol::Element& public_share,
                                       std::span<const protocol::Element> bases, const Digest& context,
                                       Random& random) override {
    ++*computed_;
    return keeper_->compute(id, record, public_share, bases, context, random);
  }
  Result<protocol::Deal> deal(const hsm::ShareId& id, ByteView record, const protocol::Element& public_share,
                              const protocol::HandoverPlan& plan, Random& random) override {
    ++*computed_;
    return keeper_->deal(id, record, public_share, plan, random);
  }
  Result<protocol::ShareProof> prove(const hsm::ShareId& id, ByteView record,
                                     const protocol::Element& public_share, const Digest& offer_hash,
                                     Random& random) override {
    ++*computed_;
    return keeper_->prove(id, record, public_share, offer_hash, random);
  }
  Result<Bytes> seal_bytes(const hsm::EpochId& epoch, std::string_view what, ByteView bytes) override {
    return keeper_->seal_bytes(epoch, what, bytes);
  }
  Result<Secret> open_bytes(const hsm::EpochId& epoch, std::string_view what, ByteView record) override {
    return keeper_->open_bytes(epoch, what, record);
  }
  Status destroy_epochs(std::span<const hsm::EpochId> epochs) override {
    return keeper_->destroy_epochs(epochs);
  }
  Status recover(hsm::Sealed sealed) override { return keeper_->recover(sealed); }
  void sweep() override { keeper_->sweep(); }
  Status probe() override { return keeper_->probe(); }

 private:
  std::unique_ptr<hsm::ShareKeeper> keeper_;
  std::shared_ptr<std::atomic<int>> computed_;
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

const SigningKey& provider_key() {
  static const SigningKey key = SigningKey::generate(system_random());
  return key;
}

TestAgent::TestAgent(const std::filesystem::path& folder, std::string role, hsm::TokenConfig token,
                     std::shared_ptr<Clock> clock)
    : folder_(folder), role_(std::move(role)), token_(std::move(token)), clock_(std::move(clock)) {
  std::filesystem::create_directories(folder_ / "invitations");
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

OrganisationCertificate TestAgent::certified(const SigningKey& ca) const {
  if (organisation) return *organisation;
  // Once by each: a refresh keeps the certificate to the byte.
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

Status TestAgent::try_open() {
  Settings settings{
      .role = role_,
      .url = url(),
      .identity_certificate = *identity_certificate_,
      .organisation = organisation,
      .state = folder_,
      .allow_recover = allow_recover,
      .requests_per_key_per_day = requests_per_key_per_day,
      .allow_sole_holder = allow_sole_holder,
      .handover = {.delay_ms = handover_delay_ms, .announced = announced, .notify = notifying()},
      .derive = derive,
      .destroy_wait = destroy_wait,
      .now_ms = [clock = clock_] { return clock->now_ms.load(); },
      .steady_ms = [clock = clock_] { return clock->now_ms - clock->set_forward_ms; }};
  auto own = keyring();
  auto keeper = hsm::make_sealed_keeper(hsm::Token(token_).named(own.token_name()),
                                        folder_ / hsm::kEpochKeysFile, std::chrono::minutes(5));
  auto opened = Custodian::open(std::move(settings), std::move(own),
                                std::make_unique<CountingKeeper>(std::move(keeper), computed_));
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
  Answer answer = custodian_->answer(call);
  ipc::Reply& reply = answer.reply;
  invariant(reply.id == call.id && reply.request_id.size() == 16);
  // Nobody is there to ask the others: the list as it would be if none of them could be reached.
  for (auto& chain = answer.chain; chain;) {
    if (chain->next() == nullptr) return chain->list();
    chain->answered(carry ? carry(*chain) : Error(Code::unavailable, "no network"));
  }
  if (reply.error) return *std::move(reply.error);
  return std::move(reply.body);
}

void TestAgent::approve(const protocol::HandoverPlan& plan, std::int64_t valid_ms) const {
  const auto own = keyring();
  must(hsm::PlanApprovals(folder_, own)
           .approve({.key_id = plan->key_id,
                     .plan_hash = protocol::plan_hash(plan),
                     .not_after_ms = now_ms() + valid_ms}));
}

void TestAgent::withdraw(const protocol::HandoverPlan& plan) const {
  const auto own = keyring();
  must(hsm::PlanApprovals(folder_, own).withdraw(protocol::plan_hash(plan)));
}

std::vector<protocol::PendingPlan> TestAgent::pending() const {
  const auto own = keyring();
  return must(hsm::PlanApprovals(folder_, own).all_pending()).plans;
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
  std::ofstream file(folder_ / "invitations" / name, std::ios::binary);
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
