#include "provisioning/handover/next_epoch.h"

#include <algorithm>
#include <limits>

#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

constexpr std::uint32_t kMaxLead = std::uint32_t{1} << 20;

Error too_far(const Decided& agent, const std::string& than) {
  return with_hint(
      Error(Code::conflict, agent.agent + " agent says that epoch " + std::to_string(agent.epoch) +
                                " is decided there, " + than),
      "its log says who aborted so many handovers; coprotect-provision reshare with --kit replaces it");
}

}  // namespace

Result<std::uint32_t> next_epoch(std::uint32_t present, std::span<const Decided> agents) {
  if (agents.empty()) return present + 1;
  const auto [last, first] = std::ranges::minmax_element(agents, {}, &Decided::epoch);
  const std::uint32_t newest = std::max(present, first->epoch);
  if (newest - std::max(present, last->epoch) > kMaxLead)
    return too_far(*first, "and the " + last->agent + " agent says " + std::to_string(last->epoch));
  if (newest == std::numeric_limits<std::uint32_t>::max()) return too_far(*first, "which is the last one");
  return newest + 1;
}

}  // namespace coprotect::provisioning
