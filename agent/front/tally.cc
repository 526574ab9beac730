#include "agent/front/tally.h"

#include <algorithm>
#include <utility>

namespace coprotect::agent::front {
namespace {

constexpr auto kEvery = std::chrono::seconds(60);
constexpr std::size_t kMostSources = 1024;  // counted separately
constexpr std::size_t kMostLines = 20;

template <typename Reasons>
std::uint64_t sum(const Reasons& reasons) {
  std::uint64_t total = 0;
  for (const auto& [reason, count] : reasons) total += count;
  return total;
}

template <typename Reasons>
std::string line(const std::string& source, const Reasons& reasons) {
  std::string text = "front: refused or cut: " + source + ":";
  const char* separator = " ";
  for (const auto& [reason, count] : reasons) {
    text += separator + std::to_string(count) + " " + reason;
    separator = ", ";
  }
  return text;
}

}  // namespace

void Tally::count(const std::string& source, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  const bool apart = sources_.contains(source) || sources_.size() < kMostSources;
  Reasons& reasons = apart ? sources_[source] : others_;
  const auto known = reasons.find(reason);
  known == reasons.end() ? void(reasons.emplace(reason, 1)) : void(++known->second);
}

std::vector<std::string> Tally::due(Clock::time_point now) {
  std::map<std::string, Reasons> sources;
  Reasons others;
  {
    const std::lock_guard lock(mutex_);
    if (now < quiet_until_ || (sources_.empty() && others_.empty())) return {};
    quiet_until_ = now + kEvery;
    sources = std::exchange(sources_, {});
    others = std::exchange(others_, {});
  }
  std::vector<std::pair<std::uint64_t, const std::string*>> order;
  order.reserve(sources.size());
  for (const auto& [source, reasons] : sources) order.emplace_back(sum(reasons), &source);
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : *a.second < *b.second;
  });
  std::vector<std::string> lines;
  for (const auto& [total, source] : order) {
    const Reasons& reasons = sources.at(*source);
    if (lines.size() < kMostLines)
      lines.push_back(line(*source, reasons));
    else
      for (const auto& [reason, count] : reasons) others[reason] += count;
  }
  if (!others.empty()) lines.push_back(line("other addresses", others));
  return lines;
}

}  // namespace coprotect::agent::front
