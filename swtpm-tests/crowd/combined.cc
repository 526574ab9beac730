#include "swtpm-tests/crowd/combined.h"

#include <algorithm>

namespace coprotect::harness::crowd {

void Combined::prepare() {
  for (const auto& one : all_) one->prepare();
}

void Combined::begin() {
  for (const auto& one : all_) one->begin();
}

void Combined::step(std::chrono::milliseconds since_begin) {
  for (const auto& one : all_) one->step(since_begin);
}

void Combined::end() {
  for (auto one = all_.rbegin(); one != all_.rend(); ++one) (*one)->end();
}

std::string Combined::account() const {
  std::string text;
  for (const auto& one : all_)
    text += (text.empty() ? "" : "\n    ") + one->name() + ":\n    " + one->account();
  return text;
}

std::optional<std::string> Combined::harms() const {
  for (const auto& one : all_)
    if (one->harms()) return one->harms();
  return std::nullopt;
}

std::string Combined::why_repeated() const {
  for (const auto& one : all_)
    if (!one->why_repeated().empty()) return one->why_repeated();
  return {};
}

bool Combined::limits_a_day() const {
  return std::ranges::any_of(all_, [](const auto& one) { return one->limits_a_day(); });
}

bool Combined::ends_processes() const {
  return std::ranges::any_of(all_, [](const auto& one) { return one->ends_processes(); });
}

}  // namespace coprotect::harness::crowd
