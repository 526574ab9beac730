#include "agent/custodian/testing/asking.h"

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
    bases.push_back(item.capsule.c1);
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

Result<Bytes> send(TestAgent& agent, const protocol::Request& request, const Bytes& signed_request,
                   ByteView peer) {
  constexpr std::array kRoutes = {Route::partial_decrypt, Route::recovery_share, Route::log,
                                  Route::derive,          Route::handover,       Route::drill_report};
  return agent.call(kRoutes[request.body.index()], to_hex(request.key_id), peer, signed_request);
}

Result<Secret> answer(TestAgent& agent, const Asking& asking, const TestClient& client) {
  const Bytes message = asking.signed_by(client);
  const auto reply = send(agent, asking.request, message, client.certificate.der());
  if (!reply) return reply.error();
  const auto sealed = must(protocol::SealedReply::parse(*reply));
  invariant(sealed.party == agent.identity_key().bytes());
  return sealed.open(asking.reply_key, protocol::sha256(message));
}

Result<protocol::PartialReply> partials(TestAgent& agent, const Bundle& bundle, const Asking& asking,
                                        const TestClient& client) {
  const Bytes message = asking.signed_by(client);
  const auto reply = send(agent, asking.request, message, client.certificate.der());
  if (!reply) return reply.error();
  const Digest hash = protocol::sha256(message);
  const Secret opened = must(must(protocol::SealedReply::parse(*reply)).open(asking.reply_key, hash));
  auto replies = must(protocol::parse_partial_replies(opened.reveal(), bundle.group()));
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

}  // namespace coprotect::agent::custodian::testing
