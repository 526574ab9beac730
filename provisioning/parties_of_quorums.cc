#include "provisioning/parties_of_quorums.h"

#include <algorithm>

namespace coprotect::provisioning {

std::vector<std::vector<std::size_t>> quorums_of(const std::vector<std::size_t>& shares, std::size_t t) {
  std::vector<std::vector<std::size_t>> quorums;
  // At most 16 parties.
  for (std::uint32_t set = 1; set < std::uint32_t{1} << shares.size(); ++set) {
    std::vector<std::size_t> members;
    std::size_t held = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if ((set >> i & 1u) == 0) continue;
      members.push_back(i);
      held += shares[i];
    }
    const bool minimal =
        std::ranges::all_of(members, [&](std::size_t member) { return held - shares[member] < t; });
    if (held >= t && minimal) quorums.push_back(std::move(members));
  }
  std::ranges::sort(quorums);
  return quorums;
}

std::vector<std::vector<std::size_t>> quorums_of(const protocol::Parameters& parameters) {
  std::vector<std::size_t> shares;
  for (const auto& party : parameters->parties) shares.push_back(party.indices.size());
  return quorums_of(shares, parameters->t);
}

}  // namespace coprotect::provisioning
