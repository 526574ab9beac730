#include "agent/exchanges.h"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "agent/log.h"

namespace coprotect::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kBudgetMs = 2'500;
constexpr int kSoonerDivisor = 12;  // of the period, after a failure
constexpr int kMostAgain = 3;

}  // namespace

void Exchanges::use(std::shared_ptr<ipc::Channel> relay) {
  std::vector<Asked> lost;
  {
    const std::lock_guard lock(mutex_);
    relay_ = std::move(relay);
    for (auto one = asked_.begin(); one != asked_.end();) {
      const auto next = std::next(one);
      if (one->second.relay != relay_) lost.push_back(std::move(asked_.extract(one).mapped()));
      one = next;
    }
    concluding_ += lost.size();
  }
  for (const Asked& one : lost) finished(one, Error(Code::unavailable, "this agent's relay ended meanwhile"));
}

void Exchanges::ask_when_due() {
  {
    const std::lock_guard lock(mutex_);
    if (relay_ == nullptr || asking_ || Clock::now() < due_) return;
    asking_ = true;
    failed_ = false;
    due_ = Clock::now() + period_;
  }
  workers_.submit(0, [this] { ask(); });
}

milliseconds Exchanges::due_within(milliseconds most) {
  const std::lock_guard lock(mutex_);
  if (relay_ == nullptr || asking_) return most;
  const auto left = std::chrono::duration_cast<milliseconds>(due_ - Clock::now()) + milliseconds(1);
  return std::clamp(left, milliseconds(0), most);
}

void Exchanges::ask() {
  try {
    auto questions = custodian_.peers().ask();
    if (!questions) log_warning("peers: " + questions.error().message());
    if (questions)
      for (auto& question : *questions) send(std::move(question), 0);
  } catch (const std::bad_alloc&) {
    log_warning("peers: no memory to ask them all; they are asked again");
  }
  const std::lock_guard lock(mutex_);
  asking_ = false;
  round_over_ |= asked_.empty() && concluding_ == 0;
  changed_.notify_all();
}

void Exchanges::send(custodian::PeerQuestion question, int again) {
  ipc::Forward forward{.id = 0,
                       .route = ipc::PeerRoute::peer_state,
                       .url = question.url,
                       .identity_certificate = question.identity_certificate,
                       .key_id = {},
                       .budget_ms = kBudgetMs,
                       .body = question.body};
  Asked asked{.question = std::move(question), .relay = nullptr, .again = again};
  {
    const std::lock_guard lock(mutex_);
    asked.relay = relay_;
    forward.id = next_id_++;
    if (relay_ != nullptr)
      asked_.emplace(forward.id, asked);
    else
      ++concluding_;
  }
  if (asked.relay == nullptr)
    finished(asked, Error(Code::unavailable, "this agent's relay does not run"));
  else if (!asked.relay->send(forward.encode()))
    asked.relay->shutdown();  // its end will be seen, and use() called
}

void Exchanges::answered(ipc::Forwarded answer) {
  std::optional<Asked> asked;
  {
    const std::lock_guard lock(mutex_);
    if (auto node = asked_.extract(answer.id)) asked = std::move(node.mapped());
    if (asked) ++concluding_;
  }
  if (!asked) return;
  workers_.submit(answer.body.size(),
                  [this, asked = *std::move(asked), answer = std::move(answer)] { conclude(asked, answer); });
}

void Exchanges::conclude(const Asked& asked, const ipc::Forwarded& answer) {
  if (answer.error) return finished(asked, answer.error);
  const auto heard = custodian_.peers().heard(asked.question, answer.body);
  if (!heard) return finished(asked, heard.error());
  if (heard->news) log_warning(*heard->news);
  if (heard->ask_again && asked.again < kMostAgain) {
    auto questions = custodian_.peers().ask();
    if (questions)
      for (auto& question : *questions)
        if (question.peer == asked.question.peer) send(std::move(question), asked.again + 1);
  }
  finished(asked, std::nullopt);
}

// Logs a peer's silence only once.
void Exchanges::finished(const Asked& asked, const std::optional<Error>& failure) {
  const std::string name = "agent \"" + asked.question.name + "\" at " + asked.question.url;
  const std::lock_guard lock(mutex_);
  --concluding_;
  if (failure) {
    if (!failed_)
      due_ =
          std::min(due_, Clock::now() + std::chrono::duration_cast<milliseconds>(period_) / kSoonerDivisor);
    failed_ = true;
    if (silent_.insert(asked.question.url).second)
      log_warning(name + " cannot be asked what it remembers: " + std::string(code_name(failure->code())) +
                  ": " + failure->message());
  } else if (silent_.erase(asked.question.url) > 0) {
    log_info(name + " was heard again");
  }
  round_over_ |= !asking_ && asked_.empty() && concluding_ == 0;
  changed_.notify_all();
}

void Exchanges::await_first_round(milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [this] { return round_over_; });
}

}  // namespace coprotect::agent
