#include "agent/chains.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "agent/log.h"

namespace coprotect::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxAsked = 1024;
constexpr std::size_t kMaxWeight = std::size_t{64} << 20;
// The relay enforces the deadline itself. If it is late by half of the reserve, it is assumed to hang.
constexpr int kGraceDivisor = 20;
constexpr milliseconds kLook(100);

milliseconds left_of(const Chains::Waiting& waiting) {
  const auto left = std::chrono::duration_cast<milliseconds>(waiting.deadline - Chains::Clock::now());
  return std::max(left, milliseconds(0));
}

// The part of the remaining time that the next party gets. A tenth is reserved for returning the answers. If
// more parties follow, half is reserved for them, so that one hanging party does not use up theirs.
milliseconds budget_of(const custodian::Chain& chain, milliseconds left) {
  return chain.missing() > 1 ? left / 2 : left * 9 / 10;
}

}  // namespace

void Chains::begin(Waiting waiting) {
  advance(std::move(waiting));
}

void Chains::use(const Limits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

Status Chains::may_wait(const Waiting& waiting, std::size_t weight) {
  const auto& turn = waiting.turn;
  std::size_t of_tenant = 0;
  std::size_t of_client = 0;
  for (const auto& [id, asked] : asked_) {
    if (asked.waiting.turn.tenant != turn.tenant) continue;
    ++of_tenant;
    if (asked.waiting.turn.client == turn.client) ++of_client;
  }
  if (of_client >= limits_.of_client) {
    ++hits_.of_client;
    return Error(Code::limited, "this agent passes too many requests of this client on at once");
  }
  if (of_tenant >= limits_.of_tenant) {
    ++hits_.of_tenant;
    return Error(Code::limited, "this agent passes too many requests of this client's tenant on at once");
  }
  if (asked_.size() == kMaxAsked || weight > kMaxWeight - weight_) {
    ++hits_.of_all;
    return Error(Code::limited, "this agent passes too many requests on at once");
  }
  return Done{};
}

std::vector<LimitUse> Chains::uses() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::uint64_t> tenants;
  std::map<std::pair<std::string, std::string>, std::uint64_t> clients;
  LimitUse client{"relay", "requests_per_client", limits_.of_client, 0, hits_.of_client};
  LimitUse tenant{"relay", "requests_per_tenant", limits_.of_tenant, 0, hits_.of_tenant};
  for (const auto& [id, asked] : asked_) {
    const auto& turn = asked.waiting.turn;
    tenant.use = std::max(tenant.use, ++tenants[turn.tenant]);
    client.use = std::max(client.use, ++clients[{turn.tenant, turn.client}]);
  }
  return {
      std::move(client), std::move(tenant), {"relay", "requests", kMaxAsked, asked_.size(), hits_.of_all}};
}

Result<Chains::Question> Chains::remember(Waiting& waiting, milliseconds patience) {
  const std::size_t weight = waiting.chain.weight();
  const std::lock_guard lock(mutex_);
  if (patience.count() == 0) return Error(Code::unavailable, "no time was left to ask it");
  if (relay_ == nullptr) return Error(Code::unavailable, "this agent's relay does not run");
  if (auto may = may_wait(waiting, weight); !may) return std::move(may).error();
  const std::uint64_t id = next_id_++;
  const auto now = Clock::now();
  asked_.emplace(id, Asked{.waiting = std::move(waiting),
                           .relay = relay_,
                           .give_up = now + patience,
                           .since = now,
                           .weight = weight});
  weight_ += weight;
  return Question{relay_, id};
}

// Sends the frame outside the lock: a relay that reads nothing must not block the others.
void Chains::advance(Waiting waiting) {
  while (const protocol::Party* const party = waiting.chain.next()) {
    const milliseconds left = left_of(waiting);
    const milliseconds budget = budget_of(waiting.chain, left);
    ipc::Forward forward{.id = 0,
                         .route = ipc::PeerRoute::decrypt,
                         .url = party->url,
                         .identity_certificate = party->identity_certificate->der(),
                         .key_id = waiting.chain.key_id(),
                         .budget_ms = static_cast<std::uint32_t>(budget.count()),
                         .body = waiting.chain.message(budget)};
    if (forward.body.size() > ipc::kMaxBody) {
      waiting.chain.answered(Error(Code::malformed, "the request is too large to be passed on"));
      continue;
    }
    const auto question = remember(waiting, budget + left / kGraceDivisor);
    if (!question) {
      waiting.chain.answered(question.error());
      continue;
    }
    forward.id = question->id;
    if (!question->relay->send(forward.encode())) {
      question->relay->shutdown();
      conclude(question->id, Error(Code::unavailable, "this agent's relay ended meanwhile"));
    }
    return;
  }
  finished_(waiting);
}

void Chains::conclude(std::uint64_t id, const Result<Bytes>& answer) {
  decltype(asked_)::node_type node;
  {
    const std::lock_guard lock(mutex_);
    node = asked_.extract(id);
    if (node) weight_ -= node.mapped().weight;
  }
  if (!node) return;
  Waiting waiting = std::move(node.mapped().waiting);
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - node.mapped().since);
  const std::string line =
      "request " + waiting.reply.request_id + ": passed on to " + waiting.chain.next()->name + ": " +
      (answer ? "ok" : std::string(code_name(answer.error().code())) + ": " + answer.error().message()) +
      ", " + std::to_string(took.count()) + " ms";
  answer ? log_info(line) : log_warning(line);
  waiting.chain.answered(answer);
  advance(std::move(waiting));
}

void Chains::use(std::shared_ptr<ipc::Channel> relay) {
  std::vector<std::uint64_t> lost;
  {
    const std::lock_guard lock(mutex_);
    relay_ = std::move(relay);
    for (const auto& [id, asked] : asked_)
      if (asked.relay != relay_) lost.push_back(id);
  }
  for (const std::uint64_t id : lost)
    conclude(id, Error(Code::unavailable, "this agent's relay ended meanwhile"));
}

void Chains::answered(ipc::Forwarded answer) {
  if (answer.error)
    conclude(answer.id, *std::move(answer.error));
  else
    conclude(answer.id, std::move(answer.body));
}

milliseconds Chains::due_within(milliseconds most) {
  const std::lock_guard lock(mutex_);
  return asked_.empty() ? most : std::min(most, kLook);
}

void Chains::sweep() {
  std::vector<std::uint64_t> overdue;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, asked] : asked_)
      if (Clock::now() >= asked.give_up) overdue.push_back(id);
  }
  for (const std::uint64_t id : overdue) conclude(id, Error(Code::unavailable, "no answer in time"));
}

}  // namespace coprotect::agent
