#include "client/quorum.h"

#include <algorithm>
#include <thread>

#include "client/agents.h"
#include "client/problem.h"

namespace coprotect::client {

using protocol::IndexedPartial;

namespace {

std::vector<const PartialAnswer*> of_item(const std::vector<std::vector<PartialAnswer>>& answers,
                                          std::size_t item) {
  std::vector<const PartialAnswer*> found;
  for (const auto& of_party : answers) found.push_back(&of_party[item]);
  return found;
}

bool says_why(Code code) {
  return code == Code::altered || code == Code::bad_proof || code == Code::wrong_code;
}

}  // namespace

Quorum::Quorum(HeldBundle bundle, std::shared_ptr<const Credentials> credentials, protocol::Action action,
               std::string reason, std::chrono::milliseconds deadline, std::optional<LocalShare> local,
               Via via)
    : held_(std::move(bundle)),
      bundle_(*held_.current()),
      credentials_(std::move(credentials)),
      asker_{.certificate = &credentials_->certificate,
             .key = &credentials_->key,
             .action = action,
             .reason = std::move(reason)},
      deadline_(deadline),
      via_(std::move(via)),
      local_(std::move(local)) {
  connect_agents();
}

void Quorum::connect_agents() {
  agents_.clear();
  const auto& parties = bundle_.parameters()->parties;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    if (!parties[i].is_agent()) continue;
    agents_.push_back({.party = i, .client = connect(parties[i], *credentials_, deadline_)});
  }
}

bool Quorum::key_moved(const std::vector<Answers>& answers) const {
  const auto elsewhere = [](const PartialAnswer& answer) {
    return !answer && (answer.error().code() == Code::conflict || answer.error().code() == Code::not_found);
  };
  for (std::size_t i = 0; i < answers.front().size(); ++i) {
    const auto of_parties = of_item(answers, i);
    if (std::ranges::any_of(of_parties, [&](const auto* answer) { return elsewhere(*answer); }) &&
        !choose_quorum(bundle_, of_parties))
      return true;
  }
  return false;
}

Result<bool> Quorum::go_on() {
  const auto newest = held_.newest(*credentials_, deadline_);
  if (!newest) return newest.error();
  if ((*newest)->epoch() == bundle_.epoch()) return false;
  if (local_) {
    if (!local_->renew) return false;
    auto share = local_->renew(**newest, *credentials_);
    if (!share) return std::move(share).error();
    local_ = *std::move(share);
  }
  use(**newest);
  return true;
}

void Quorum::use(const protocol::Bundle& newer) {
  bundle_ = newer;
  connect_agents();
}

Quorum::Answers Quorum::ask(Agent& agent, const PartialExchange& exchange) {
  const auto reply = agent.client.ask(exchange.path(), exchange.request());
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
std::vector<Quorum::Answers> Quorum::ask_each(std::span<const Item> items) {
  std::vector<Answers> answers(agents_.size());
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    threads.emplace_back([this, i, items, &answers] {
      const auto exchange =
          PartialExchange::make(bundle_, agents_[i].party, items, asker_, now_ms(), system_random());
      answers[i] = ask(agents_[i], exchange);
    });
  }
  threads.clear();
  return answers;
}

template <typename Item>
std::vector<Quorum::Answers> Quorum::ask_along(std::span<const Item> items) {
  std::vector<std::size_t> parties;
  for (const Agent& agent : agents_) parties.push_back(agent.party);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < agents_.size(); ++i)
    order.insert(party(agents_[i]).name == via_.first ? order.begin() : order.end(), i);

  std::vector<Answers> answers(agents_.size());
  for (const std::size_t asked : order) {
    // A request of its own for each: who does not answer may have recorded it.
    const auto exchange = PartialExchange::make(bundle_, parties, items, asker_, now_ms(), system_random());
    const protocol::ForwardMessage message{
        .request = exchange.request(),
        .visited = {},
        .budget_ms = static_cast<std::uint32_t>(deadline_.count() * 9 / 10)};
    const auto list =
        agents_[asked].client.ask("/v1/keys/" + to_hex(bundle_.key_id()) + "/decrypt", message.encode());
    if (!list) {
      answers[asked] = Answers(items.size(), list.error());
      continue;
    }
    auto all = read_list(exchange, agents_[asked], *list);
    // One that refuses the client, or the request as a whole, passes nothing on: then the next is asked.
    const auto parties_in_list = protocol::ChainReply::parse(*list);
    if (!parties_in_list || parties_in_list->entries.size() > 1) return all;
    answers[asked] = std::move(all[asked]);
  }
  return answers;
}

// One party's answer as the list of another, or its own, has it.
Quorum::Answers Quorum::read_entry(const PartialExchange& exchange, const Agent& agent, const Agent& asked,
                                   const protocol::ChainReply::Entry& entry) const {
  const bool passed_on = agent.party != asked.party;
  if (const auto* const refusal = std::get_if<protocol::Refusal>(&entry.answer)) {
    // Of the agent that was asked, or of one on the way, and signed by neither.
    const std::string said = std::string(code_name(refusal->code)) + ": " + shown(refusal->detail);
    return Answers(
        exchange.size(),
        Error(Code::unavailable, agent_name(party(agent)) +
                                     ": unavailable: it could not be asked: " + agent_name(party(asked)) +
                                     " says \"" + said + "\" (request " + to_hex(refusal->request_id) + ")"));
  }
  auto answers = exchange.read(agent.party, std::get<Bytes>(entry.answer),
                               passed_on ? std::optional(asked.party) : std::nullopt);
  if (!answers) return Answers(exchange.size(), answers.error());
  return *std::move(answers);
}

std::vector<Quorum::Answers> Quorum::read_list(const PartialExchange& exchange, const Agent& asked,
                                               ByteView encoded) const {
  const std::string teller = agent_name(party(asked));
  const auto list = protocol::ChainReply::parse(encoded);
  if (!list) {
    const Error why(Code::bad_proof, teller + " sent what is not a list of replies");
    return std::vector<Answers>(agents_.size(), Answers(exchange.size(), why));
  }
  std::vector<Answers> answers;
  for (const Agent& agent : agents_) {
    const auto of_agent = [&](const auto& entry) { return entry.party == party(agent).identity_key.bytes(); };
    const auto entry = std::find_if(list->entries.begin(), list->entries.end(), of_agent);
    const Error none(Code::unavailable,
                     agent_name(party(agent)) + ": unavailable: " + teller + " brings no answer of it");
    answers.push_back(entry == list->entries.end() ? Answers(exchange.size(), none)
                                                   : read_entry(exchange, agent, asked, *entry));
  }
  return answers;
}

template <typename Item>
std::vector<Quorum::Answers> Quorum::ask_all(std::span<const Item> items) {
  // Another user of the same bundle may have gone on already.
  if (const auto held = held_.current(); !local_ && held->epoch() > bundle_.epoch()) use(*held);
  auto answers = ask_once(items);
  if (items.empty() || !key_moved(answers)) return answers;
  const auto moved = go_on();
  if (moved && *moved) return ask_once(items);
  // Who answers for a key that it does not show truly is the reason; who cannot be asked is not.
  if (!moved && says_why(moved.error().code()))
    answers.insert(answers.begin(), Answers(items.size(), moved.error()));
  return answers;
}

template <typename Item>
std::vector<Quorum::Answers> Quorum::ask_once(std::span<const Item> items) {
  auto answers = via_.chain ? ask_along(items) : ask_each(items);
  if (local_) answers.push_back(own_part(items));
  return answers;
}

std::vector<Result<protocol::Element>> Quorum::open(std::span<const LockedFile> files) {
  const auto answers = ask_all(files);
  std::vector<Result<protocol::Element>> opened;
  std::size_t asked_alone = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto of_file = of_item(answers, i);
    opened.push_back(combine_answers(bundle_, *files[i].stanza, of_file));
    if (files.size() == 1 || !opened[i] || files[i].header->unlock(*opened[i])) continue;
    if (asked_alone++ < kMaxAskedAlone) opened[i] = open_alone(files[i], of_file);
  }
  return opened;
}

// Whether the header is altered, as it seems, or a party's proof for the batch was a wrong one.
Result<protocol::Element> Quorum::open_alone(const LockedFile& file,
                                             std::span<const PartialAnswer* const> in_batch) {
  const auto answers = ask_once(std::span<const LockedFile>(&file, 1));
  const auto alone = of_item(answers, 0);
  std::string who;
  for (const std::uint8_t index : differing_indices(in_batch, alone)) {
    const auto& parties = bundle_.parameters()->parties;
    const auto holder = std::ranges::find_if(parties, [index](const protocol::Party& party) {
      return std::ranges::find(party.indices, index) != party.indices.end();
    });
    if (holder != parties.end()) who += (who.empty() ? "" : ", ") + agent_name(*holder);
  }
  if (!who.empty())
    return Error(Code::bad_proof, who + " sent different partial decryptions of one file, in a batch and " +
                                      "alone; do not trust it before it is repaired");
  return combine_answers(bundle_, *file.stanza, alone);
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
