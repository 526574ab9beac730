#include "client/quorum.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "client/agents.h"
#include "client/problem.h"
#include "protocol/base/dead_stack.h"

namespace coprotect::client {

using protocol::IndexedPartial;

namespace {

// The maximum number of consecutive requests, each signed again, to an agent that ends its connections
// without an answer.
constexpr int kMostTries = 3;
// For agents that have not answered when enough others have.
constexpr std::chrono::seconds kLeastWait(1);

std::vector<const PartialAnswer*> of_item(const std::vector<std::vector<PartialAnswer>>& answers,
                                          std::size_t item) {
  std::vector<const PartialAnswer*> found;
  for (const auto& of_party : answers) found.push_back(&of_party[item]);
  return found;
}

bool says_why(Code code) {
  return code == Code::altered || code == Code::bad_proof || code == Code::wrong_code;
}

bool is_elsewhere(const PartialAnswer& answer) {
  return !answer && (answer.error().code() == Code::conflict || answer.error().code() == Code::not_found);
}

// How much a reason explains why a quorum did not answer when it was asked in several epochs.
int weight_of(Code code) {
  if (code == Code::conflict || code == Code::not_found) return 0;
  return code == Code::unavailable ? 1 : 2;
}

// Why there is no quorum for any item.
std::vector<PartialAnswer> reasons(const protocol::Bundle& bundle,
                                   const std::vector<std::vector<PartialAnswer>>& answers) {
  std::vector<PartialAnswer> errors;
  for (std::size_t i = 0; i < answers.front().size(); ++i)
    errors.emplace_back(choose_quorum(bundle, of_item(answers, i)).error());
  return errors;
}

// Considers the first item that lacks a quorum.
int weight(const protocol::Bundle& bundle, const std::vector<std::vector<PartialAnswer>>& answers) {
  for (std::size_t i = 0; i < answers.front().size(); ++i)
    if (const auto chosen = choose_quorum(bundle, of_item(answers, i)); !chosen)
      return weight_of(chosen.error().code());
  return 2;
}

}  // namespace

Quorum::Quorum(HeldBundle bundle, std::shared_ptr<const Credentials> credentials, protocol::Action action,
               std::string reason, std::chrono::milliseconds deadline, std::optional<LocalShare> local,
               Via via)
    : held_(std::move(bundle)),
      bundle_(!local          ? *held_.preferred()
              : local->bundle ? *local->bundle
                              : *held_.current()),
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
  // In a candidate's epoch, there may be no agent to say so.
  const bool confirmed = held_.current()->extends(bundle_);
  for (std::size_t i = 0; i < answers.front().size(); ++i) {
    const auto of_parties = of_item(answers, i);
    const bool refused =
        std::ranges::any_of(of_parties, [](const auto* answer) { return is_elsewhere(*answer); });
    if ((refused || !confirmed) && !choose_quorum(bundle_, of_parties)) return true;
  }
  return false;
}

bool Quorum::suffices(const std::vector<Answers>& answers, const Answers& own) const {
  for (std::size_t i = 0; i < answers.front().size(); ++i) {
    auto of_parties = of_item(answers, i);
    if (!own.empty()) of_parties.push_back(&own[i]);
    if (!choose_quorum(bundle_, of_parties)) return false;
  }
  return true;
}

bool Quorum::has_quorum(const std::vector<Answers>& answers) const {
  for (std::size_t i = 0; i < answers.front().size(); ++i)
    if (choose_quorum(bundle_, of_item(answers, i))) return true;
  return false;
}

void Quorum::use(const protocol::Bundle& bundle) {
  bundle_ = bundle;
  connect_agents();
}

Result<std::optional<LocalShare>> Quorum::renewed(const protocol::Bundle& bundle) const {
  if (!local_) return std::optional<LocalShare>();
  if (!local_->renew) return Error(Code::conflict, "the local share is of another epoch");
  auto share = local_->renew(bundle, *credentials_);
  if (!share) return std::move(share).error();
  return std::optional(*std::move(share));
}

std::vector<protocol::Bundle> Quorum::to_try(const Result<ShownHistory>& history) const {
  std::vector<protocol::Bundle> bundles{*held_.current()};
  if (history) bundles.insert(bundles.end(), history->candidates.begin(), history->candidates.end());
  std::erase_if(bundles, [&](const auto& bundle) { return bundle.newest_hash() == bundle_.newest_hash(); });
  return bundles;
}

Quorum::Answers Quorum::ask(Agent& agent, const PartialExchange& exchange, const std::stop_token& stop) {
  const auto reply = agent.client.ask(exchange.path(), exchange.request(), stop);
  if (!reply) return Answers(exchange.size(), reply.error());
  auto answers = exchange.read(*reply);
  if (!answers) return Answers(exchange.size(), answers.error());
  return *std::move(answers);
}

// The share is used only on a capsule for which an agent would answer, too.
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
  std::vector<Answers> answers(agents_.size(),
                               Answers(items.size(), Error(Code::unavailable, "no answer yet")));
  std::mutex mutex;
  std::condition_variable answered;
  std::size_t under_way = agents_.size();
  std::stop_source enough;
  std::vector<std::jthread> threads;
  const auto began = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    threads.emplace_back([&, i, items, stop = enough.get_token()] {
      const WipesDeadStack partials;
      Answers said;
      for (int tries = 1; tries == 1 || (agents_[i].client.was_dropped() && tries <= kMostTries); ++tries) {
        const auto exchange =
            PartialExchange::make(bundle_, agents_[i].party, items, asker_, now_ms(), system_random());
        said = ask(agents_[i], exchange, stop);
      }
      const std::lock_guard lock(mutex);
      answers[i] = std::move(said);
      --under_way;
      answered.notify_one();
    });
  }
  const Answers own = local_ ? own_part(items) : Answers();
  {
    std::unique_lock lock(mutex);
    answered.wait(lock, [&] { return under_way == 0 || suffices(answers, own); });
    const auto as_long_again =
        std::max<std::chrono::steady_clock::duration>(std::chrono::steady_clock::now() - began, kLeastWait);
    answered.wait_for(lock, as_long_again, [&] { return under_way == 0; });
  }
  enough.request_stop();
  threads.clear();
  if (local_) answers.push_back(own);
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
    // A separate request for each: an agent that does not answer may have recorded its request.
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
    // An agent that refuses the client, or the whole request, forwards nothing. Then the next one is asked.
    const auto parties_in_list = protocol::ChainReply::parse(*list);
    if (!parties_in_list || parties_in_list->entries.size() > 1) return all;
    answers[asked] = std::move(all[asked]);
  }
  return answers;
}

// One party's answer, as it is in another party's list or its own.
Quorum::Answers Quorum::read_entry(const PartialExchange& exchange, const Agent& agent, const Agent& asked,
                                   const protocol::ChainReply::Entry& entry) const {
  const bool passed_on = agent.party != asked.party;
  if (const auto* const refusal = std::get_if<protocol::Refusal>(&entry.answer)) {
    // From the asked agent or one on the way. Neither signed it.
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
  // Another user of the same bundle may already have advanced it.
  if (const auto preferred = held_.preferred(); !local_ && preferred->newest_hash() != bundle_.newest_hash())
    use(*preferred);
  auto answers = ask_once(items);
  if (items.empty() || !key_moved(answers)) return answers;
  return follow(items, std::move(answers));
}

template <typename Item>
std::vector<Quorum::Answers> Quorum::follow(std::span<const Item> items, std::vector<Answers> answers) {
  const auto history = held_.ask(*credentials_, deadline_);
  std::vector<Answers> best = std::move(answers);
  int best_weight = weight(bundle_, best);
  // An agent that answers for a key but shows an invalid bundle is a reason. An unreachable agent is not.
  const auto add_reason = [&](const Error& error) {
    if (!says_why(error.code())) return;
    best.insert(best.begin(), Answers(items.size(), error));
    best_weight = std::max(best_weight, weight_of(error.code()));
  };
  if (!history) add_reason(history.error());
  const protocol::Bundle first = bundle_;
  std::optional<LocalShare> first_local;
  for (const protocol::Bundle& bundle : to_try(history)) {
    auto local = renewed(bundle);
    if (!local) {
      add_reason(local.error());
      continue;
    }
    std::swap(local_, *local);
    if (bundle_.newest_hash() == first.newest_hash()) first_local = *std::move(local);
    use(bundle);
    const auto now = ask_once(items);
    if (has_quorum(now)) {
      if (!held_.current()->extends(bundle)) confirm(items, now);
      if (!local_) held_.prefer(bundle);
      return now;
    }
    if (const int said = weight(bundle, now); said > best_weight) {
      best = {reasons(bundle, now)};
      best_weight = said;
    }
  }
  if (bundle_.newest_hash() != first.newest_hash()) {
    local_ = std::move(first_local);
    use(first);
  }
  return best;
}

template <typename Item>
void Quorum::confirm(std::span<const Item> items, const std::vector<Answers>& answers) {
  // Once per bundle, because an agent that still serves the epoch before answers this request, too.
  if (bundle_.versions() == 0 || unconfirmed_ == bundle_.newest_hash()) return;
  unconfirmed_ = bundle_.newest_hash();
  const auto agents_that = [&](const std::vector<Answers>& said, const auto& say) {
    std::set<protocol::PublicKeyBytes> agents;
    for (std::size_t i = 0; i < agents_.size(); ++i)
      if (std::ranges::any_of(said[i], say)) agents.insert(party(agents_[i]).identity_key.bytes());
    return agents;
  };
  const auto answered = agents_that(answers, [](const PartialAnswer& answer) { return bool{answer}; });
  const protocol::Bundle candidate = bundle_;
  const protocol::Bundle before = candidate.with_versions(candidate.versions() - 1);
  use(before);
  const auto refused = agents_that(ask_once(items.first(1)), [](const PartialAnswer& answer) {
    return !answer && answer.error().code() == Code::conflict;
  });
  use(candidate);
  std::size_t shares = 0;
  for (const protocol::Party& one : before.parameters()->parties)
    if (answered.contains(one.identity_key.bytes()) && refused.contains(one.identity_key.bytes()))
      shares += one.indices.size();
  if (shares >= before.parameters()->t) held_.confirm(candidate);
}

template <typename Item>
std::vector<Quorum::Answers> Quorum::ask_once(std::span<const Item> items) {
  if (!via_.chain) return ask_each(items);
  auto answers = ask_along(items);
  if (local_) answers.push_back(own_part(items));
  return answers;
}

std::vector<Result<protocol::Element>> Quorum::open(std::span<const LockedFile> files) {
  const WipesDeadStack messages;
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

// Whether the header really is altered, or a party's proof for the batch was wrong.
Result<protocol::Element> Quorum::open_alone(const LockedFile& file,
                                             std::span<const PartialAnswer* const> in_batch) {
  const auto answers = ask_once(std::span<const LockedFile>(&file, 1));
  const auto alone = of_item(answers, 0);
  if (auto same = check_same_partials(bundle_, in_batch, alone); !same) return std::move(same).error();
  return combine_answers(bundle_, *file.stanza, alone);
}

std::vector<Result<Secret>> Quorum::derive(std::span<const protocol::Element> peers) {
  const WipesDeadStack powers;
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
