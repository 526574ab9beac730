#include "client/quorum.h"

#include <thread>

#include "client/agents.h"

namespace coprotect::client {

using protocol::IndexedPartial;

namespace {

std::vector<const PartialAnswer*> of_item(const std::vector<std::vector<PartialAnswer>>& answers,
                                          std::size_t item) {
  std::vector<const PartialAnswer*> found;
  for (const auto& of_party : answers) found.push_back(&of_party[item]);
  return found;
}

}  // namespace

Quorum::Quorum(protocol::Bundle bundle, const Credentials& credentials, protocol::Action action,
               std::string reason, std::chrono::milliseconds deadline, std::optional<LocalShare> local)
    : bundle_(std::move(bundle)),
      asker_{.certificate = &credentials.certificate,
             .key = &credentials.key,
             .action = action,
             .reason = std::move(reason)},
      local_(std::move(local)) {
  const auto& parties = bundle_.parameters()->parties;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    if (!parties[i].is_agent()) continue;
    agents_.push_back({.party = i, .client = connect(parties[i], credentials, deadline)});
  }
}

Quorum::Answers Quorum::ask(Agent& agent, const PartialExchange& exchange) {
  const auto reply = agent.client.post(exchange.path(), exchange.request());
  if (!reply) return Answers(exchange.size(), reply.error());
  auto answers = exchange.read(*reply);
  if (!answers) return Answers(exchange.size(), answers.error());
  return *std::move(answers);
}

// The share is used only on a capsule that an agent would answer for, too.
Quorum::Answers Quorum::own_part(std::span<const LockedFile> files) const {
  Answers answers;
  for (const LockedFile& file : files) {
    const Digest label =
        protocol::stanza_label(file.header->core_hash(), protocol::kStanzaTdh2, file.stanza->key_id);
    const protocol::Capsule capsule = file.stanza->ciphertext.capsule();
    if (!protocol::verify(bundle_.public_key(), capsule, label)) {
      answers.emplace_back(Error(Code::altered, "header is altered: proof of the ciphertext does not hold"));
      continue;
    }
    answers.emplace_back(std::vector<IndexedPartial>{
        {.index = local_->index, .value = bundle_.group().power_secret(capsule.c1, local_->share)}});
  }
  return answers;
}

Quorum::Answers Quorum::own_part(std::span<const protocol::Element> peers) const {
  Answers answers;
  for (const protocol::Element& peer : peers)
    answers.emplace_back(std::vector<IndexedPartial>{
        {.index = local_->index, .value = bundle_.group().power_secret(peer, local_->share)}});
  return answers;
}

template <typename Item>
std::vector<Quorum::Answers> Quorum::ask_all(std::span<const Item> items) {
  std::vector<Answers> answers(agents_.size() + (local_ ? 1 : 0));
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    threads.emplace_back([this, i, items, &answers] {
      const auto exchange =
          PartialExchange::make(bundle_, agents_[i].party, items, asker_, now_ms(), system_random());
      answers[i] = ask(agents_[i], exchange);
    });
  }
  if (local_) answers.back() = own_part(items);
  threads.clear();
  return answers;
}

std::vector<Result<protocol::Element>> Quorum::open(std::span<const LockedFile> files) {
  const auto answers = ask_all(files);
  std::vector<Result<protocol::Element>> opened;
  for (std::size_t i = 0; i < files.size(); ++i)
    opened.push_back(combine_answers(bundle_, *files[i].stanza, of_item(answers, i)));
  return opened;
}

std::vector<Result<Secret>> Quorum::derive(std::span<const protocol::Element> peers) {
  const auto answers = ask_all(peers);
  std::vector<Result<Secret>> derived;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const auto partials = choose_quorum(bundle_, of_item(answers, i));
    const auto power = partials ? protocol::combine(*partials) : Result<protocol::Element>(partials.error());
    derived.push_back(power ? Result<Secret>(power->encode_secret()) : Result<Secret>(power.error()));
  }
  return derived;
}

}  // namespace coprotect::client
