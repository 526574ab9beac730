#include "agent/custodian/health.h"

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "agent/custodian/told.h"
#include "protocol/file/utc_time.h"
#include "protocol/group/suite.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kProbeEveryMs = 5'000;
// A working token answers within this time, unless its host is very busy.
constexpr std::chrono::seconds kTokenPatience{3};

nlohmann::json known_suites() {
  nlohmann::json names = nlohmann::json::array();
  for (const auto suite : protocol::kAllSuites) names.push_back(protocol::suite_name(suite));
  return names;
}

nlohmann::json known_operations() {
  nlohmann::json numbers = nlohmann::json::array();
  for (int number = 1; number <= static_cast<int>(protocol::Operation::drill_report); ++number)
    numbers.push_back(number);
  return numbers;
}

nlohmann::json described(const std::vector<Health::Facts::Use>& uses) {
  nlohmann::json all = nlohmann::json::array();
  for (const auto& use : uses)
    all.push_back({{"key_id", use.key_id},
                   {"state", use.failure.empty() ? "ok" : "failing"},
                   {"since", protocol::format_utc_time(use.since_ms)},
                   {"why", use.failure}});
  return all;
}

}  // namespace

void Health::ask() {
  std::optional<std::string> said;
  try {
    const auto probed = keeper_.probe();
    said = probed ? "ok" : told(probed.error()).message();
  } catch (const std::bad_alloc&) {  // the next report asks again
  }
  const std::lock_guard lock(mutex_);
  if (said)
    token_ = *std::move(said);
  else
    probed_ms_.reset();
  asking_ = false;
  answered_.notify_all();
}

std::string Health::token(std::int64_t now_ms) {
  if (const auto hangs = keeper_.hang()) return hangs->error.message();
  std::unique_lock lock(mutex_);
  const bool due = !probed_ms_ || now_ms - *probed_ms_ >= kProbeEveryMs || now_ms < *probed_ms_;
  if (!asking_ && due) {
    try {
      thread_ = std::jthread([this] { ask(); });  // the previous one has ended or is about to
    } catch (const std::system_error&) {
      return "it cannot be asked: the system gives no thread";
    }
    asking_ = true;
    asked_ = std::chrono::steady_clock::now();
    probed_ms_ = now_ms;
  }
  if (answered_.wait_until(lock, asked_ + kTokenPatience, [&] { return !asking_; })) return token_;
  return "it has not answered a question for " + std::to_string(kTokenPatience.count()) + " seconds or more";
}

Bytes Health::report(const Facts& facts, std::int64_t now_ms) {
  const std::string token = this->token(now_ms);
  const auto age = [&](const std::optional<std::int64_t>& then_ms) {
    return then_ms ? nlohmann::json(std::max<std::int64_t>(now_ms - *then_ms, 0) / 1000) : nlohmann::json();
  };
  const bool used = std::ranges::all_of(facts.uses, [](const auto& use) { return use.failure.empty(); });
  const std::string notice = keeper_.token_notice();
  const bool ok = used && token == "ok" && notice.empty() && facts.store == "ok" && facts.recovery == "ok" &&
                  facts.contacts == "ok" && facts.erasure == "ok" && facts.log == "ok";
  const nlohmann::json report = {{"status", ok ? "ok" : "degraded"},
                                 {"role", role_},
                                 {"version", COPROTECT_VERSION},
                                 {"token", token},
                                 {"token_files", notice.empty() ? "ok" : without_paths(notice)},
                                 {"last_use", described(facts.uses)},
                                 {"store", without_paths(facts.store)},
                                 {"log", facts.log},
                                 {"recovery", without_paths(facts.recovery)},
                                 {"contacts", facts.contacts},
                                 {"erasure", without_paths(facts.erasure)},
                                 {"backup", facts.backup},
                                 {"held", facts.held},
                                 {"recovery_parts_age_seconds", age(facts.parts_verified_ms)},
                                 {"recovery_code_age_seconds", age(facts.code_opened_ms)},
                                 {"last_drill_age_seconds", age(facts.last_drill_ms)},
                                 {"keys", facts.keys},
                                 {"suites", known_suites()},
                                 {"operations", known_operations()}};
  const std::string text = report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return {text.begin(), text.end()};
}

}  // namespace coprotect::agent::custodian
