#include "client/test_agents.h"

#include <thread>

#include "client/agents.h"
#include "protocol/base/writer.h"
#include "protocol/message/chain.h"
#include "protocol/message/list_receipt.h"
#include "protocol/message/reply.h"
#include "protocol/threshold/partial.h"

namespace coprotect::client::test {

using protocol::CertificateUse;
using protocol::PartialReply;
using protocol::test::TestHandover;

namespace {

std::map<std::uint8_t, protocol::Scalar> copy(const std::map<std::uint8_t, protocol::Scalar>& shares) {
  std::map<std::uint8_t, protocol::Scalar> copied;
  for (const auto& [index, share] : shares) copied.emplace(index, share.clone());
  return copied;
}

std::string problem(const Error& error) {
  return http_answer(
      "409 Conflict", "application/problem+json",
      R"({"code":")" + std::string(code_name(error.code())) + R"(","detail":")" + error.message() + R"("})");
}

// The elements to which a request's shares are applied.
std::vector<protocol::Element> bases_of(const protocol::RequestBody& body) {
  if (const auto* const derivation = std::get_if<protocol::DeriveBody>(&body)) return derivation->peers;
  std::vector<protocol::Element> bases;
  for (const auto& item : std::get<protocol::PartialDecryptBody>(body).items)
    bases.push_back(item.capsule->c1);
  return bases;
}

PartialReply reply(const protocol::Bundle& bundle, std::uint8_t index, const protocol::Scalar& share,
                   const std::vector<protocol::Element>& bases, const Digest& request_hash) {
  const Digest context =
      protocol::partial_context(bundle.group().suite(), bundle.key_id(), bundle.epoch(), index, request_hash);
  auto set = protocol::compute_partials(share, bundle.public_share(index), bases, context, system_random());
  PartialReply made{.index = index, .epoch = bundle.epoch(), .items = {}, .proof = std::move(set.proof)};
  for (const protocol::Element& value : set.values)
    made.items.push_back({.status = protocol::ItemStatus::done, .value = value, .detail = {}});
  return made;
}

std::map<std::string, std::string> urls_of(const std::map<std::string, TlsListener>& listeners) {
  std::map<std::string, std::string> urls;
  for (const auto& [name, listener] : listeners) urls.emplace(name, listener.url());
  return urls;
}

std::map<std::string, TlsListener> listen() {
  std::map<std::string, TlsListener> listeners;
  for (const char* const name : {"cloud", "company", "site"}) listeners.emplace(name, TlsListener());
  return listeners;
}

}  // namespace

TestAgents::TestAgents(protocol::SuiteId suite, protocol::Purpose purpose)
    : now_ms_(now_ms()), listeners_(listen()), urls_(urls_of(listeners_)), key_([&] {
        Layout first = layout("company");
        first.purpose = purpose;
        return protocol::test::TestKey::generate(suite, first);
      }()) {
  epochs_.emplace(0, Epoch{.bundle = key_.bundle, .shares = copy(key_.shares), .parts = key_.parts});
  for (const protocol::Party& party : key_.bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    put(party.name, {0});
    start(party.name, *party.identity_certificate);
  }
}

TestAgents::Layout TestAgents::layout(const std::string& second) const {
  return {.t = 2,
          .parties = {{"cloud", {1}}, {second, {2}}, {"recovery", {3}}},
          .urls = urls_,
          .now_ms = now_ms_};
}

void TestAgents::keep_blob(const Bytes& blob) {
  key_.blob_hash = protocol::sha256(blob);
  for (const char* const name : {"cloud", "company"}) agents_[name].blob = blob;
}

const Epoch& TestAgents::hand_over(const Layout& layout, bool new_code, std::uint32_t skipped) {
  TestHandover handover(key_, layout, {1, 2}, new_code);
  handover.skip(skipped);
  const auto deals = handover.deal();
  const auto made = must(handover.transcript(deals));
  std::map<std::uint8_t, protocol::Scalar> shares;
  for (std::uint8_t j = 1; j <= made.sharing().parameters->n; ++j)
    shares.emplace(j, must(handover.receive(made, deals, j)));
  key_.bundle =
      must(key_.bundle.followed_by(protocol::HandoverVersion::encode(made, handover.confirm(made))));
  key_.shares = copy(shares);
  if (handover.new_recovery_key) key_.recovery_key = std::move(*handover.new_recovery_key);
  for (const protocol::Party& party : key_.bundle.parameters()->parties)
    if (party.is_agent() && !servers_.contains(party.name)) start(party.name, *party.identity_certificate);
  const Bytes parts = must(handover.parts(made, deals)).encoded();
  return epochs_
      .emplace(key_.bundle.epoch(), Epoch{.bundle = key_.bundle, .shares = std::move(shares), .parts = parts})
      .first->second;
}

protocol::Bundle TestAgents::fork() {
  const TestHandover other(key_, first_layout(), {1, 2});
  const auto made = must(other.transcript(other.deal()));
  return must(key_.bundle.followed_by(protocol::HandoverVersion::encode(made, other.confirm(made))));
}

std::vector<protocol::Statement> TestAgents::acknowledgements(const protocol::Bundle& bundle) const {
  std::vector<protocol::Statement> said;
  for (const protocol::Party& party : bundle.parameters()->parties)
    if (party.is_agent())
      said.push_back({party.identity_key.bytes(),
                      protocol::acknowledge_handover(bundle.sharing().sid, bundle.newest_hash(),
                                                     key_.identities.at(party.name))});
  return said;
}

void TestAgents::put(const std::string& name, std::set<std::uint32_t> serves) {
  Agent& agent = agents_[name];
  agent.shows = epochs_.at(*serves.begin()).bundle.encoded();
  agent.serves = std::move(serves);
}

void TestAgents::leave(const std::string& name, std::uint32_t shows) {
  put(name, {shows});
  agents_[name].serves.clear();
}

Credentials TestAgents::credentials(const std::string& uri) const {
  return {.certificate = protocol::test::make_certificate("alice", CertificateUse::client, client_key_,
                                                          &key_.bundle.parameters()->client_ca,
                                                          key_.client_ca_key, {uri}, now_ms_),
          .key = must(protocol::SigningKey::from_scalar(client_key_.scalar().reveal()))};
}

void TestAgents::start(const std::string& name, const protocol::Certificate& identity) {
  const auto& tls_key =
      tls_keys_.emplace(name, protocol::SigningKey::generate(system_random())).first->second;
  auto certificate = must(protocol::issue_certificate({.common_name = name,
                                                       .use = CertificateUse::server,
                                                       .uris = {},
                                                       .hosts = {"127.0.0.1"},
                                                       .not_before_ms = now_ms_ - 3'600'000,
                                                       .not_after_ms = now_ms_ + 3'600'000},
                                                      tls_key.public_key(), &identity,
                                                      key_.identities.at(name), system_random()));
  const auto& client_ca = key_.bundle.parameters()->client_ca;
  servers_.emplace(name,
                   std::make_unique<TlsServer>(
                       TlsServer::Settings{
                           .certificate = std::move(certificate), .key = &tls_key, .client_ca = &client_ca},
                       [this, name](const std::string& request) { return answer(name, request); },
                       std::move(listeners_.at(name))));
}

std::string TestAgents::answer(const std::string& name, const std::string& request) {
  while (agents_.at(name).silent) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const std::lock_guard lock(mutex_);
  if (auto& hangs_up = agents_.at(name).hangs_up; hangs_up > 0) {
    --hangs_up;
    return std::string(kHangUp);
  }
  const ByteView body = bytes_of(request).subspan(request.find("\r\n\r\n") + 4);
  const bool is_of_keys = request.substr(0, request.find(" HTTP")).ends_with("/keys");
  Result<Bytes> answered = Error(Code::not_found, "the key is not known here");
  if (request.starts_with("GET /v1/keys/")) {
    Agent& agent = agents_.at(name);
    ++agent.shown;
    if (agent.shows) answered = *agent.shows;
  } else if (request.starts_with("GET /v1/tenants/")) {
    const Agent& agent = agents_.at(name);
    answered = is_of_keys && agent.key_list ? *agent.key_list : agent.list;
  } else if (request.starts_with("PUT /v1/tenants/")) {
    Agent& agent = agents_.at(name);
    answered = agent.takes_list;
    if (answered && answered->empty()) {
      ++agent.lists_put;
      agent.list = Bytes(body.begin(), body.end());
      answered = protocol::encode_signature(
          protocol::sign_list_receipt(is_of_keys ? protocol::ListKind::keys : protocol::ListKind::clients,
                                      body, key_.identities.at(name)));
    }
  } else if (request.substr(0, request.find(" HTTP")).ends_with("/decrypt")) {
    answered = serve_chain(body);
  } else {
    answered = serve(name, body);
  }
  if (!answered) return problem(answered.error());
  return http_answer("200 OK", "application/octet-stream", std::string(text_of(*answered)));
}

Result<Bytes> TestAgents::serve(const std::string& name, ByteView signed_request) {
  auto envelope = must(protocol::SignedRequest::parse_envelope(signed_request));
  const auto reply_key = envelope.request.reply_key;
  const Digest hash = envelope.hash;
  const auto& identity = key_.identities.at(name);
  const auto plaintext = judge(name, std::move(envelope));
  if (plaintext)
    return must(
               protocol::SealedReply::answer(identity, plaintext->reveal(), reply_key, hash, system_random()))
        .encode();
  return must(protocol::SealedReply::refuse(identity, protocol::Refusal::of(plaintext.error(), {}), reply_key,
                                            hash, system_random()))
      .encode();
}

Result<Secret> TestAgents::judge(const std::string& name, protocol::SignedRequest::Envelope envelope) {
  Agent& agent = agents_.at(name);
  ++agent.asked;
  if (agent.serves.empty()) return Error(Code::not_found, "the key is not known here");
  // A handover's steps, and so its status, are answered in any epoch.
  const bool is_of_epoch = envelope.operation != protocol::Operation::handover;
  if (is_of_epoch && !agent.serves.contains(envelope.request.epoch))
    return Error(agent.elsewhere, "the key is in epoch " + std::to_string(*agent.serves.rbegin()));
  return compute(name, must(std::move(envelope).open(key_.bundle.group().suite())));
}

Result<Secret> TestAgents::compute(const std::string& name, const protocol::SignedRequest& request) {
  if (const auto* const step = std::get_if<protocol::HandoverBody>(&request.request.body)) {
    const auto answer = agents_.at(name).handover(*step);
    if (!answer) return answer.error();
    return Secret::copy_of(*answer);
  }
  if (const auto* const report = std::get_if<protocol::DrillReportBody>(&request.request.body)) {
    agents_.at(name).reports.push_back(*report);
    return Secret(0);
  }
  const Epoch& of_request = epochs_.at(request.request.epoch);
  if (std::holds_alternative<protocol::RecoveryShareBody>(request.request.body)) {
    const Agent& agent = agents_.at(name);
    Writer w;
    w.lp4(agent.blob).lp4(agent.parts.value_or(of_request.parts));
    return Secret::copy_of(w.view());
  }
  const auto bases = bases_of(request.request.body);
  std::vector<PartialReply> replies;
  const auto& parameters = of_request.bundle.parameters();
  for (const std::uint8_t index : parameters->parties[parameters.position_of(name).value()].indices)
    replies.push_back(reply(of_request.bundle, index, of_request.shares.at(index), bases, request.hash));
  return protocol::encode_partial_replies(replies);
}

Result<Bytes> TestAgents::serve_chain(ByteView encoded) {
  const auto message = must(protocol::ForwardMessage::parse(encoded));
  const auto envelope = must(protocol::SignedRequest::parse_envelope(message.request));
  protocol::ChainReply list;
  for (const auto& [name, identity] : key_.identities) {
    const auto& party = identity.public_key().bytes();
    if (std::ranges::find(envelope.request.audience, party) == envelope.request.audience.end()) continue;
    list.entries.push_back({.party = party, .answer = must(serve(name, message.request))});
  }
  return list.encode();
}

}  // namespace coprotect::client::test
