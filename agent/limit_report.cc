#include "agent/limit_report.h"

#include "agent/limit_texts.h"
#include "agent/log.h"
#include "agent/supervisor_notice.h"
#include "hsm/durable_file.h"

namespace coprotect::agent {
namespace {

constexpr std::chrono::seconds kEvery(15);

}  // namespace

std::filesystem::path LimitReport::usual_file() {
  const auto folder = runtime_folder();
  return folder ? *folder / "limits.prom" : std::filesystem::path();
}

void LimitReport::use(const ipc::Limits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

void LimitReport::heard(const ipc::Usage& usage) {
  const std::lock_guard lock(mutex_);
  usage_ = usage;
}

void LimitReport::front_ended() {
  const std::lock_guard lock(mutex_);
  past_.add(usage_.past());
  usage_ = {};
}

std::vector<LimitUse> LimitReport::uses() {
  std::vector<LimitUse> all;
  {
    const std::lock_guard lock(mutex_);
    ipc::Usage usage = past_;
    usage.add(usage_);
    all = front_uses(limits_, usage);
  }
  for (LimitUse& use : others_()) all.push_back(std::move(use));
  return all;
}

void LimitReport::sweep() {
  const auto now = std::chrono::steady_clock::now();
  const bool asked = asked_.exchange(false);
  const bool due = !file_.empty() && now - written_ >= kEvery;
  if (!asked && !due) return;
  const auto all = uses();
  if (asked)
    for (const LimitUse& use : all) log_info(text_of_use(use));
  if (!due) return;
  written_ = now;
  if (auto written = hsm::replace_file(file_, bytes_of(prometheus_text(all))); !written)
    log_warning("the use of the limits: " + written.error().message());
}

}  // namespace coprotect::agent
