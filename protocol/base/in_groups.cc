#include "protocol/base/in_groups.h"

namespace coprotect {

std::string in_groups(ByteView digest, std::string_view indent) {
  constexpr std::size_t kGroup = 4;
  constexpr std::size_t kGroupsInLine = 8;
  const std::string hex = to_hex(digest);
  std::string text;
  for (std::size_t group = 0; group * kGroup < hex.size(); ++group) {
    if (group % kGroupsInLine == 0) {
      text += (group == 0 ? "" : "\n") + std::string(indent);
    } else {
      text += ' ';
    }
    text += hex.substr(group * kGroup, kGroup);
  }
  return text;
}

}  // namespace coprotect
