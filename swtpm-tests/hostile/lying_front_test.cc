// A front that lies about the client: it says whatever it likes to the custodian, in whoever's name, and
// knows every request that clients ever sent. It gets no partial, no blob and no log.

#include <gtest/gtest.h>

#include "agent/ipc/messages.h"
#include "client/agents.h"
#include "client/partial_exchange.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/client_list.h"
#include "protocol/message/onboarding.h"
#include "protocol/message/reply.h"
#include "protocol/x509/issue.h"
#include "swtpm-tests/hostile/front_place.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {
namespace {

using agent::ipc::Route;
using protocol::ControlKind;
using protocol::ControlMessage;

client::Credentials credentials_of(const std::filesystem::path& config) {
  return must(client::load_credentials(must(client::read_config(config))));
}

testing::AssertionResult refuses(const agent::ipc::Reply& reply, Code code) {
  if (!reply.error) return testing::AssertionFailure() << "answered with " << reply.body.size() << " bytes";
  if (!reply.body.empty()) return testing::AssertionFailure() << "an error that comes with a body";
  if (reply.error->code() != code)
    return testing::AssertionFailure() << code_name(reply.error->code()) << ": " << reply.error->message();
  return testing::AssertionSuccess();
}
testing::AssertionResult refuses(const agent::ipc::Reply& reply) {
  return reply.error ? refuses(reply, reply.error->code()) : refuses(reply, Code::denied);
}

class LyingFront : public testing::Test {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{});
    if (HasFailure()) GTEST_FAIL() << "no system";
    const auto config = system_->add_client("alice");
    write_file(system_->folder() / "f", "some figures");
    ASSERT_EQ(system_->coprotect(config, {"encrypt", system_->folder() / "f"}).exit_code, 0);
    const std::string file = read_file(system_->folder() / "f.cop");
    header_.emplace(must(protocol::Header::parse(bytes_of(file))));
    bundle_.emplace(bundle_of(*system_));
    locked_ = {&*header_, must(header_->stanza_for(bundle_->key_id()))};
    alice_.emplace(credentials_of(config));
    admin_.emplace(credentials_of(system_->admin()));
    front_ = std::make_unique<FrontPlace>(system_->cloud(), system_->folder() / "programs");
  }

  // As refuses(), for what signed_request() made: the refusal is inside, sealed to the client and signed.
  testing::AssertionResult refuses_inside(const agent::ipc::Reply& reply, std::optional<Code> code = {}) {
    if (reply.error) return code ? refuses(reply, *code) : refuses(reply);
    const auto sealed = protocol::SealedReply::parse(reply.body);
    if (!sealed) return testing::AssertionFailure() << "answered with what is no reply";
    for (const auto& [hash, key] : reply_keys_) {
      const auto content =
          sealed->open(bundle_->parameters()->parties[party("cloud")].identity_key, key, hash);
      if (!content) continue;
      const auto* const refusal = std::get_if<protocol::Refusal>(&*content);
      if (refusal == nullptr) return testing::AssertionFailure() << "answered";
      if (code && refusal->code != *code)
        return testing::AssertionFailure() << code_name(refusal->code) << ": " << refusal->detail;
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "sealed to nobody here";
  }
  // The same for an exchange of a client's.
  testing::AssertionResult refuses_inside(const client::PartialExchange& exchange,
                                          const agent::ipc::Reply& reply, Code code) const {
    if (reply.error) return refuses(reply, code);
    const auto answers = exchange.read(party("cloud"), reply.body);
    if (!answers) return testing::AssertionFailure() << answers.error().message();
    if (answers->front()) return testing::AssertionFailure() << "answered";
    if (answers->front().error().code() != code)
      return testing::AssertionFailure() << answers->front().error().message();
    return testing::AssertionSuccess();
  }

  // What the custodian says to this front.
  agent::ipc::Reply ask(Route route, const std::string& subject, ByteView certificate, ByteView body) {
    const agent::ipc::Call call{.id = ++calls_,
                                .route = route,
                                .subject = subject,
                                .peer_certificate = Bytes(certificate.begin(), certificate.end()),
                                .budget_ms = 30'000,
                                .body = Bytes(body.begin(), body.end())};
    if (!front_->channel().send(call.encode())) throw std::runtime_error("the custodian is gone");
    auto reply = must(agent::ipc::Reply::parse(must(front_->channel().receive())));
    EXPECT_EQ(reply.id, calls_);
    return reply;
  }
  agent::ipc::Reply ask_about_key(Route route, ByteView body) {
    return ask(route, to_hex(bundle_->key_id()), admin_->certificate.der(), body);
  }

  std::size_t party(std::string_view name) const { return *bundle_->parameters().position_of(name); }
  // A request of alice's for her file, as it passes the front.
  client::PartialExchange exchange(const std::string& with = "cloud",
                                   std::int64_t time = client::now_ms()) const {
    return client::PartialExchange::make(*bundle_, party(with), {&locked_, 1},
                                         {.certificate = &alice_->certificate,
                                          .key = &alice_->key,
                                          .action = protocol::Action::view,
                                          .reason = "work"},
                                         time, system_random());
  }
  // A request about the key, of whoever's, signed with whichever key.
  Bytes signed_request(decltype(protocol::Request::body) body,
                       const std::vector<protocol::Certificate>& chain, const protocol::SigningKey& key) {
    auto reply_key = protocol::HpkePrivateKey::generate(system_random());
    protocol::Request request{
        .tenant = bundle_->tenant(),
        .key_id = bundle_->key_id(),
        .epoch = bundle_->epoch(),
        .audience = {bundle_->parameters()->parties[party("cloud")].identity_key.bytes()},
        .action = protocol::Action::view,
        .reason = "work",
        .nonce = {},
        .time_ms = client::now_ms(),
        .reply_key = reply_key.public_key(),
        .body = std::move(body)};
    system_random().fill(request.nonce);
    Bytes message = protocol::SignedRequest::sign(request, chain, key);
    reply_keys_.emplace_back(protocol::sha256(message), std::move(reply_key));
    return message;
  }
  // Each operation on a key that gives something out.
  std::vector<std::pair<Route, Bytes>> all_requests(const std::vector<protocol::Certificate>& chain,
                                                    const protocol::SigningKey& key) {
    protocol::PartialDecryptBody partial;
    const ByteView core = header_->core_bytes();
    partial.items.push_back({.core = Bytes(core.begin(), core.end()),
                             .stanza_type = protocol::kStanzaTdh2,
                             .capsule = locked_.stanza->ciphertext.capsule()});
    std::vector<std::pair<Route, Bytes>> all;
    all.emplace_back(Route::partial_decrypt, signed_request(std::move(partial), chain, key));
    all.emplace_back(Route::recovery_share, signed_request(protocol::RecoveryShareBody{}, chain, key));
    all.emplace_back(Route::log, signed_request(protocol::LogBody{.from = 1, .limit = 100}, chain, key));
    all.emplace_back(Route::derive,
                     signed_request(protocol::DeriveBody{{locked_.stanza->ciphertext.c1}}, chain, key));
    return all;
  }
  // That a refusal has another cause than a custodian which answers nobody.
  void expect_honest_request_served() {
    const auto honest = exchange();
    const auto reply =
        ask(Route::partial_decrypt, to_hex(bundle_->key_id()), alice_->certificate.der(), honest.request());
    ASSERT_FALSE(reply.error) << reply.error->message();
    EXPECT_TRUE(honest.read(reply.body));
  }

  std::unique_ptr<System> system_;
  std::optional<protocol::Header> header_;
  std::optional<protocol::Bundle> bundle_;
  client::LockedFile locked_{};
  std::optional<client::Credentials> alice_;
  std::optional<client::Credentials> admin_;
  std::unique_ptr<FrontPlace> front_;
  std::uint64_t calls_ = 0;
  std::vector<std::pair<Digest, protocol::HpkePrivateKey>> reply_keys_;  // of signed_request(), by its hash
};

TEST_F(LyingFront, GetsNothingWithoutTheClientsSignature) {
  const auto own_key = protocol::SigningKey::generate(system_random());
  // The administrator's certificate with another signature; an administrator of its own making.
  const auto made_up =
      must(protocol::issue_certificate({.common_name = "admin",
                                        .use = protocol::CertificateUse::client,
                                        .uris = admin_->certificate.uris(),
                                        .hosts = {},
                                        .not_before_ms = client::now_ms() - 60'000,
                                        .not_after_ms = client::now_ms() + 60'000},
                                       own_key.public_key(), nullptr, own_key, system_random()));
  for (const auto& certificate : {admin_->certificate, made_up})
    for (const auto& [route, request] : all_requests({certificate}, own_key))
      EXPECT_TRUE(refuses_inside(ask_about_key(route, request)));
  for (const auto& [route, request] : all_requests({made_up, admin_->certificate}, own_key))
    EXPECT_TRUE(refuses_inside(ask_about_key(route, request)));

  Bytes noise(700);
  system_random().fill(noise);
  for (const Route route : {Route::partial_decrypt, Route::recovery_share, Route::log, Route::derive})
    for (const ByteView body : {ByteView(), ByteView(noise), ByteView(admin_->certificate.der())})
      EXPECT_TRUE(refuses(ask_about_key(route, body), Code::malformed));
  expect_honest_request_served();
}

TEST_F(LyingFront, GetsNothingByAlteringARequest) {
  const Bytes good = exchange().request();
  for (std::size_t at = 0; at < good.size(); at += 7) {
    Bytes bad = good;
    bad[at] ^= 1;
    EXPECT_TRUE(refuses(ask_about_key(Route::partial_decrypt, bad))) << "byte " << at;
  }
  for (const std::size_t size : {std::size_t{1}, good.size() / 2, good.size() - 1})
    EXPECT_TRUE(refuses(ask_about_key(Route::partial_decrypt, ByteView(good).first(size))));
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_TRUE(refuses(ask_about_key(Route::partial_decrypt, longer)));
  // Altered requests did not use up the one that alice did sign.
  EXPECT_FALSE(ask_about_key(Route::partial_decrypt, good).error);
}

TEST_F(LyingFront, CannotTurnARequestIntoAnother) {
  // Alice may not have the blob or the log, whoever the front says that she is.
  const auto requests = all_requests({alice_->certificate}, alice_->key);
  EXPECT_TRUE(refuses_inside(ask_about_key(Route::recovery_share, requests[1].second), Code::denied));
  EXPECT_TRUE(refuses_inside(ask_about_key(Route::log, requests[2].second), Code::denied));
  // The key is for files: c1 of one, raised to the share, would pass by its policy.
  EXPECT_TRUE(refuses_inside(ask_about_key(Route::derive, requests[3].second), Code::denied));
  for (const Route route : {Route::recovery_share, Route::log, Route::derive})
    EXPECT_TRUE(refuses_inside(ask_about_key(route, requests[0].second)));
  EXPECT_TRUE(refuses_inside(ask_about_key(Route::partial_decrypt, requests[1].second)));
  EXPECT_TRUE(refuses_inside(
      ask(Route::partial_decrypt, std::string(64, 'a'), admin_->certificate.der(), requests[0].second)));
  // A request to the other agent, and ones that were kept for too long or were made ahead.
  const auto to_other = exchange("company");
  EXPECT_TRUE(
      refuses_inside(to_other, ask_about_key(Route::partial_decrypt, to_other.request()), Code::denied));
  for (const std::int64_t minutes : {-6, 6}) {
    const auto moved = exchange("cloud", client::now_ms() + minutes * 60'000);
    EXPECT_TRUE(refuses_inside(moved, ask_about_key(Route::partial_decrypt, moved.request()), Code::stale));
  }
  expect_honest_request_served();
}

TEST_F(LyingFront, GetsNothingOutOfAReplay) {
  const auto captured = exchange();
  const auto reply = ask_about_key(Route::partial_decrypt, captured.request());
  ASSERT_FALSE(reply.error) << reply.error->message();
  EXPECT_TRUE(captured.read(reply.body));

  for (const auto& client : {alice_->certificate, admin_->certificate})
    EXPECT_TRUE(refuses_inside(
        captured, ask(Route::partial_decrypt, to_hex(bundle_->key_id()), client.der(), captured.request()),
        Code::replayed));
  front_->restart();
  EXPECT_TRUE(
      refuses_inside(captured, ask_about_key(Route::partial_decrypt, captured.request()), Code::replayed));
  expect_honest_request_served();
}

TEST_F(LyingFront, HoldsNoCeremony) {
  const std::string line = read_file(system_->cloud().invitation());
  const auto invitation = must(protocol::Invitation::parse(bytes_of(line)));
  const Secret guess(16);
  const auto& sid = bundle_->parameters().sid();
  const protocol::OpenMessage open{.invitation = invitation.id,
                                   .tenant = "acme",
                                   .purpose = protocol::Purpose::envelope,
                                   .suite = protocol::SuiteId::p256,
                                   .key_id = {},
                                   .newest_hash = {},
                                   .nonce = {},
                                   .mac = {}};
  const auto control = [&](ControlKind kind, const protocol::Sid& of) {
    return ControlMessage{.invitation = invitation.id, .kind = kind, .sid = of, .nonce = {}, .mac = {}}
        .encode(guess);
  };
  const protocol::ParametersMessage parameters{
      .invitation = invitation.id, .parameters = bundle_->parameters().encoded(), .mac = {}};
  const Bytes any = protocol::MessageList{.messages = {Bytes(100), Bytes(100), Bytes(100)}}.encode();
  // With the invitation's certificate in TLS and without.
  for (const auto& peer : {invitation.client_certificate, admin_->certificate}) {
    const auto refused = [&](Route route, const std::string& subject, ByteView body) {
      return refuses(ask(route, subject, peer.der(), body));
    };
    EXPECT_TRUE(refused(Route::open, "", open.encode(guess)));
    EXPECT_TRUE(refused(Route::status, "", control(ControlKind::status, {})));
    EXPECT_TRUE(refused(Route::abort, to_hex(sid), control(ControlKind::abort, sid)));
    EXPECT_TRUE(refused(Route::parameters, to_hex(sid), parameters.encode(guess)));
    for (const Route route : {Route::reveal, Route::deal, Route::prepare, Route::store_blob, Route::activate})
      EXPECT_TRUE(refused(route, to_hex(sid), any));
  }
  expect_honest_request_served();
}

TEST_F(LyingFront, EnrolsNobody) {
  const auto own_key = protocol::SigningKey::generate(system_random());
  const protocol::ClientList list{
      .tenant = "acme",
      .serial = 1'000,
      .time_ms = client::now_ms(),
      .clients = {{admin_->certificate.key_hash(), admin_->certificate.uris().front()}}};
  for (const protocol::SigningKey& key : {std::cref(own_key), std::cref(alice_->key), std::cref(admin_->key)})
    EXPECT_TRUE(refuses(ask(Route::client_list_put, "acme", admin_->certificate.der(), list.sign(key)),
                        Code::unauthenticated));
  expect_honest_request_served();
}

TEST_F(LyingFront, DoesNotCrashTheCustodian) {
  const Bytes call = agent::ipc::Call{
      .id = 1,
      .route = Route::health,
      .subject = "",
      .peer_certificate = {},
      .budget_ms = 1'000,
      .body = {}}.encode();
  Bytes cut(call.begin(), call.end() - 3);
  Bytes unknown_route = call;
  unknown_route[9] = 0xff;
  // Each costs a front its life, and nothing else.
  for (const Bytes& frame : {cut, unknown_route, Bytes(1 << 20, 0xff), agent::ipc::encode_stop()}) {
    ASSERT_TRUE(front_->channel().send(frame));
    EXPECT_FALSE(front_->channel().receive());
    front_->renew();
    EXPECT_TRUE(system_->cloud().running());
  }
  expect_honest_request_served();
}

}  // namespace
}  // namespace coprotect::harness
