#include "client/partial_exchange.h"

#include <algorithm>
#include <map>
#include <set>

#include "client/agents.h"
#include "client/signed_call.h"
#include "protocol/crypto/hash.h"

namespace coprotect::client {

using protocol::IndexedPartial;
using protocol::ItemStatus;
using protocol::PartialReply;

namespace {

// How much an error tells about why a file does not open.
int weight(Code code) {
  switch (code) {
    case Code::altered:
      return 5;
    case Code::denied:
      return 4;
    case Code::bad_proof:
      return 3;
    case Code::unavailable:
      return 1;
    default:
      return 2;
  }
}

// For a refusal of the whole request. Here "altered" refers to something at the agent; for a file the agent
// would have to prove it (is_sound()). It must not outweigh what others say about the files.
Error of_no_file(Error refusal) {
  if (refusal.code() != Code::altered) return refusal;
  return {Code::unavailable, refusal.message()};
}

}  // namespace

std::size_t request_share(const LockedFile& file) {
  const protocol::Group& group = file.stanza->ciphertext.c1.group();
  return file.header->core_bytes().size() + 2 * group.element_size() + group.scalar_size() + 80;
}

PartialExchange PartialExchange::make(const protocol::Bundle& bundle, Audience audience,
                                      std::span<const LockedFile> files, const Asker& asker,
                                      std::int64_t now_ms, Random& random) {
  protocol::PartialDecryptBody body;
  std::vector<protocol::Element> bases;
  std::vector<Statement> statements;
  for (const LockedFile& file : files) {
    const ByteView core = file.header->core_bytes();
    body.items.push_back({.core = Bytes(core.begin(), core.end()),
                          .stanza_type = protocol::kStanzaTdh2,
                          .capsule = file.stanza->ciphertext.capsule()});
    bases.push_back(file.stanza->ciphertext.c1);
    statements.push_back({.capsule = file.stanza->ciphertext.capsule(),
                          .label = protocol::stanza_label(file.header->core_hash(), protocol::kStanzaTdh2,
                                                          file.stanza->key_id)});
  }
  return {
      bundle, std::move(audience), std::move(body), std::move(bases), std::move(statements), asker, now_ms,
      random};
}

PartialExchange PartialExchange::make(const protocol::Bundle& bundle, Audience audience,
                                      std::span<const protocol::Element> peers, const Asker& asker,
                                      std::int64_t now_ms, Random& random) {
  std::vector<protocol::Element> bases(peers.begin(), peers.end());
  return {bundle, std::move(audience), protocol::DeriveBody{bases}, std::move(bases), {}, asker, now_ms,
          random};
}

PartialExchange::PartialExchange(const protocol::Bundle& bundle, Audience audience,
                                 protocol::RequestBody body, std::vector<protocol::Element> bases,
                                 std::vector<Statement> statements, const Asker& asker, std::int64_t now_ms,
                                 Random& random)
    : bundle_(bundle),
      audience_(std::move(audience)),
      bases_(std::move(bases)),
      statements_(std::move(statements)),
      reply_key_(protocol::HpkePrivateKey::generate(random)) {
  protocol::Request request{.tenant = bundle_.tenant(),
                            .key_id = bundle_.key_id(),
                            .epoch = bundle_.epoch(),
                            .audience = {},
                            .action = asker.action,
                            .reason = asker.reason,
                            .nonce = {},
                            .time_ms = now_ms,
                            .reply_key = reply_key_.public_key(),
                            .body = std::move(body)};
  for (const std::size_t party : audience_.parties)
    request.audience.push_back(bundle_.parameters()->parties[party].identity_key.bytes());
  random.fill(request.nonce);
  operation_ = request.operation();
  request_ = protocol::SignedRequest::sign(request, {*asker.certificate}, *asker.key);
  request_hash_ = protocol::sha256(request_);
}

std::string PartialExchange::path() const {
  return "/v1/keys/" + to_hex(bundle_.key_id()) +
         (operation_ == protocol::Operation::derive ? "/derive" : "/partial-decrypt");
}

bool PartialExchange::is_sound(std::size_t item) const {
  if (statements_.empty()) return true;  // a derivation has no proof to check
  return static_cast<bool>(
      protocol::verify(bundle_.public_key(), statements_[item].capsule, statements_[item].label));
}

struct PartialExchange::Reading {
  const PartialExchange& exchange;
  const protocol::Party& party;
  const protocol::Party* through;

  Error wrong(std::string_view what) const {
    std::string who = agent_name(party);
    if (through != nullptr) who += ", or " + agent_name(*through) + " which passed its reply on,";
    return {Code::bad_proof, who + " " + std::string(what) + "; do not trust it before it is repaired"};
  }
  Status check(const PartialReply& reply) const;
  // Why there is no partial for an item. The agent's message is its own text.
  Error refusal(const PartialReply::Item& item, std::size_t position) const;
};

Error PartialExchange::Reading::refusal(const PartialReply::Item& item, std::size_t position) const {
  const std::string said = item.detail.empty() ? std::string(item_status_name(item.status)) : item.detail;
  switch (item.status) {
    case ItemStatus::denied_by_file:
    case ItemStatus::denied_by_server:
      return {Code::denied, agent_name(party) + ": denied: " + said};
    case ItemStatus::bad_proof:
      if (exchange.is_sound(position)) return wrong("refuses a sound header as altered (\"" + said + "\")");
      return {Code::altered, "header is altered: proof of the ciphertext does not hold"};
    case ItemStatus::malformed:
    case ItemStatus::done:
      break;
  }
  return {Code::malformed, agent_name(party) + ": " + said};
}

Status PartialExchange::Reading::check(const PartialReply& reply) const {
  const protocol::Bundle& bundle = exchange.bundle_;
  const std::size_t size = exchange.size();
  if (std::find(party.indices.begin(), party.indices.end(), reply.index) == party.indices.end())
    return wrong("answers with another party's share");
  if (reply.epoch != bundle.epoch()) {
    return Error(Code::conflict, agent_name(party) + " has shares of epoch " + std::to_string(reply.epoch) +
                                     ", the bundle describes epoch " + std::to_string(bundle.epoch()));
  }
  if (reply.items.size() != size) return wrong("leaves out items");
  std::vector<protocol::Element> bases;
  std::vector<protocol::Element> values;
  for (std::size_t i = 0; i < size; ++i) {
    if (reply.items[i].status != ItemStatus::done) continue;
    bases.push_back(exchange.bases_[i]);
    values.push_back(*reply.items[i].value);
  }
  if (bases.empty()) return Done{};
  const Digest context = protocol::partial_context(bundle.group().suite(), bundle.key_id(), bundle.epoch(),
                                                   reply.index, exchange.request_hash_);
  const protocol::PartialSet set{
      .values = std::move(values),
      .proof = {.c = reply.proof->c, .z = reply.proof->z.clone()},
  };
  if (!protocol::verify_partials(bundle.public_share(reply.index), bases, set, context)) {
    return wrong("sent a wrong partial decryption");
  }
  return Done{};
}

Result<std::vector<PartialAnswer>> PartialExchange::read(std::size_t position, ByteView encoded,
                                                         std::optional<std::size_t> through) const {
  const auto& parties = bundle_.parameters()->parties;
  const protocol::Party& party = parties[position];
  const Reading reading{.exchange = *this, .party = party, .through = through ? &parties[*through] : nullptr};
  const auto sealed = protocol::SealedReply::parse(encoded);
  if (!sealed) return reading.wrong("sent what is not a reply");
  const auto content = sealed->open(party.identity_key, reply_key_, request_hash_);
  if (!content)
    return reading.wrong("sent a reply that is not its own to this request: " + content.error().message());
  if (const auto* const refusal = std::get_if<protocol::Refusal>(&*content))
    return std::vector<PartialAnswer>(size(), of_no_file(refused_by(party, *refusal)));
  const auto replies = protocol::parse_partial_replies(std::get<Secret>(*content).reveal(), bundle_.group());
  if (!replies) return reading.wrong("sent a malformed reply: " + replies.error().message());
  if (replies->size() != party.indices.size()) return reading.wrong("leaves out indices");

  std::vector<PartialAnswer> answers(size(), std::vector<IndexedPartial>{});
  for (const PartialReply& reply : *replies) {
    if (auto sound = reading.check(reply); !sound) return std::move(sound).error();
    for (std::size_t i = 0; i < size(); ++i) {
      const PartialReply::Item& item = reply.items[i];
      if (item.status != ItemStatus::done) {
        answers[i] = reading.refusal(item, i);
      } else if (answers[i]) {
        answers[i]->push_back({.index = reply.index, .value = *item.value});
      }
    }
  }
  return answers;
}

Result<std::vector<IndexedPartial>> choose_quorum(const protocol::Bundle& bundle,
                                                  std::span<const PartialAnswer* const> answers) {
  std::vector<IndexedPartial> partials;
  std::optional<Error> why;
  for (const PartialAnswer* const answer : answers) {
    if (*answer) {
      partials.insert(partials.end(), (*answer)->begin(), (*answer)->end());
    } else if (!why || weight(answer->error().code()) > weight(why->code())) {
      why = answer->error();
    } else if (answer->error().code() == why->code() && why->code() != Code::altered &&
               answer->error().message() != why->message()) {
      why = Error(why->code(), why->message() + "; " + answer->error().message());
    }
  }
  const std::size_t needed = bundle.parameters()->t;
  if (partials.size() >= needed) {
    partials.erase(partials.begin() + static_cast<std::ptrdiff_t>(needed), partials.end());
    return partials;
  }
  if (why) return *why;
  return Error(Code::unavailable, "not enough agents were asked");
}

Status check_same_partials(const protocol::Bundle& bundle, std::span<const PartialAnswer* const> in_batch,
                           std::span<const PartialAnswer* const> alone) {
  std::map<std::uint8_t, const protocol::Element*> known;
  for (const PartialAnswer* const answer : in_batch) {
    if (!*answer) continue;
    for (const IndexedPartial& partial : **answer) known.emplace(partial.index, &partial.value);
  }
  std::set<std::size_t> parties;
  for (const PartialAnswer* const answer : alone) {
    if (!*answer) continue;
    for (const IndexedPartial& partial : **answer) {
      const auto earlier = known.find(partial.index);
      if (earlier != known.end() && !(*earlier->second == partial.value))
        parties.insert(bundle.parameters().holder_of(partial.index));
    }
  }
  if (parties.empty()) return Done{};
  std::string who;
  for (const std::size_t party : parties)
    who += (who.empty() ? "" : ", ") + agent_name(bundle.parameters()->parties[party]);
  return Error(Code::bad_proof, who +
                                    " sent different partial decryptions of one file, in a batch and "
                                    "alone; do not trust it before it is repaired");
}

Result<protocol::Element> combine_answers(const protocol::Bundle& bundle, const protocol::Stanza& stanza,
                                          std::span<const PartialAnswer* const> answers) {
  const auto partials = choose_quorum(bundle, answers);
  if (!partials) return partials.error();
  return protocol::combine(stanza.ciphertext.c2, *partials);
}

}  // namespace coprotect::client
