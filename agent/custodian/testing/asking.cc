#include "agent/custodian/testing/asking.h"

#include "protocol/base/reader.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian::testing {

using ipc::Route;
using protocol::Bundle;

namespace {

std::vector<protocol::Element> bases_of(const protocol::Request& request) {
  if (const auto* const derivation = std::get_if<protocol::DeriveBody>(&request.body))
    return derivation->peers;
  std::vector<protocol::Element> bases;
  for (const auto& item : std::get<protocol::PartialDecryptBody>(request.body).items)
    bases.push_back(item.capsule->c1);
  return bases;
}

}  // namespace

TestFile encrypt(const Bundle& bundle, std::string_view policy) {
  auto made = must(protocol::Header::create(bundle.public_key(), bundle.key_id(),
                                            Bytes(policy.begin(), policy.end()), system_random()));
  return {std::move(made.first), std::move(made.second)};
}

protocol::PartialItem item_of(const TestFile& file, const Bundle& bundle) {
  const auto core = file.header.core_bytes();
  const protocol::Stanza& stanza = *must(file.header.stanza_for(bundle.key_id()));
  return {Bytes(core.begin(), core.end()), protocol::kStanzaTdh2, stanza.ciphertext.capsule()};
}

Asking ask(const TestAgent& agent, const Bundle& bundle, protocol::RequestBody body) {
  auto reply_key = protocol::HpkePrivateKey::generate(system_random());
  protocol::Request request{.tenant = bundle.tenant(),
                            .key_id = bundle.key_id(),
                            .epoch = bundle.epoch(),
                            .audience = {agent.identity_key().bytes()},
                            .action = protocol::Action::view,
                            .reason = "a test",
                            .nonce = {},
                            .time_ms = agent.now_ms(),
                            .reply_key = reply_key.public_key(),
                            .body = std::move(body)};
  system_random().fill(request.nonce);
  return {std::move(request), std::move(reply_key)};
}

Bytes Asking::signed_by(const TestClient& client) const {
  return protocol::SignedRequest::sign(request, {client.certificate}, client.key);
}

Bytes signed_again(Bytes message, const TestClient& client) {
  Reader r(message);
  const auto skip = [](const auto& field) { invariant(field.has_value()); };
  skip(r.bytes(6));  // magic, version, operation
  skip(r.lp());      // tenant
  skip(r.bytes(32 + 4));
  skip(r.bytes(*r.u8() * std::size_t{33} + 1));  // audience, action
  skip(r.lp());                                  // reason
  skip(r.bytes(16 + 8 + 65));
  const ByteView head = ByteView(message).first(message.size() - r.size());
  const auto body = r.lp4();
  const ByteView certificates = r.rest().first(r.size() - 64);
  const auto signature = client.key.sign(protocol::request_digest(head, *body, certificates));
  std::copy(signature.begin(), signature.end(), message.end() - 64);
  return message;
}

Result<Secret> open(const TestAgent& agent, const Asking& asking, ByteView message, ByteView reply) {
  auto content = must(must(protocol::SealedReply::parse(reply))
                          .open(agent.identity_key(), asking.reply_key, protocol::sha256(message)));
  if (const auto* const refusal = std::get_if<protocol::Refusal>(&content))
    return Error(refusal->code, refusal->detail);
  return std::get<Secret>(std::move(content));
}

Result<Secret> send(TestAgent& agent, const Asking& asking, const Bytes& signed_request, ByteView peer) {
  constexpr std::array kRoutes = {Route::partial_decrypt, Route::recovery_share, Route::log,
                                  Route::derive,          Route::handover,       Route::drill_report};
  const auto& request = asking.request;
  const auto reply = agent.call(kRoutes[request.body.index()], to_hex(request.key_id), peer, signed_request);
  if (!reply) return reply.error();
  return open(agent, asking, signed_request, *reply);
}

Result<Secret> answer(TestAgent& agent, const Asking& asking, const TestClient& client) {
  return send(agent, asking, asking.signed_by(client), client.certificate.der());
}

Result<protocol::PartialReply> partials(TestAgent& agent, const Bundle& bundle, const Asking& asking,
                                        const TestClient& client) {
  const Bytes message = asking.signed_by(client);
  const auto opened = send(agent, asking, message, client.certificate.der());
  if (!opened) return opened.error();
  const Digest hash = protocol::sha256(message);
  auto replies = must(protocol::parse_partial_replies(opened->reveal(), bundle.group()));
  invariant(replies.size() == 1);
  protocol::PartialReply& own = replies.front();

  std::vector<protocol::Element> bases;
  std::vector<protocol::Element> values;
  const auto all = bases_of(asking.request);
  for (std::size_t i = 0; i < own.items.size(); ++i) {
    if (!own.items[i].value) continue;
    bases.push_back(all[i]);
    values.push_back(*own.items[i].value);
  }
  if (own.proof) {
    const protocol::PartialSet set{values, {own.proof->c, own.proof->z.clone()}};
    const Digest context =
        protocol::partial_context(bundle.parameters()->suite, bundle.key_id(), own.epoch, own.index, hash);
    must(protocol::verify_partials(bundle.public_share(own.index), bases, set, context));
  }
  return std::move(own);
}

std::vector<protocol::LogEntry> read_log(TestAgent& agent, const Bundle& bundle, const TestClient& admin) {
  const Secret reply = must(answer(agent, ask(agent, bundle, protocol::LogBody{1, 1000}), admin));
  const auto log = must(protocol::LogReply::parse(reply.reveal()));
  const auto head = must(protocol::LogHead::parse(log.head));
  Digest chain{};
  if (!log.cut.empty()) {
    const auto cut = must(protocol::LogCut::parse(log.cut));
    invariant(cut.identity_key == agent.identity_key().bytes());
    chain = cut.chain;
  }
  std::vector<protocol::LogEntry> entries;
  for (const auto& line : log.lines) {
    chain = protocol::chain_next(chain, line.hash);
    if (line.entry.empty()) continue;
    invariant(protocol::sha256(line.entry) == line.hash);
    entries.push_back(must(protocol::LogEntry::parse(line.entry)));
  }
  invariant(head.chain == chain && head.identity_key == agent.identity_key().bytes() &&
            head.seq == (entries.empty() ? log.lines.size() : entries.back().seq));
  return entries;
}

std::pair<Bytes, Bytes> recovery_of(TestAgent& agent, const protocol::Bundle& bundle,
                                    const TestClient& client) {
  const Secret reply = must(answer(agent, ask(agent, bundle, protocol::RecoveryShareBody{}), client));
  Reader r(reply.reveal());
  const auto blob = r.lp4();
  const auto parts = r.lp4();
  invariant(blob && parts && r.empty());
  return {Bytes(blob->begin(), blob->end()), Bytes(parts->begin(), parts->end())};
}

}  // namespace coprotect::agent::custodian::testing
