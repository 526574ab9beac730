#include "protocol/group/suite.h"

#include <algorithm>
#include <string>

namespace coprotect::protocol {

Result<SuiteId> parse_suite(std::uint16_t id) {
  const auto suite = static_cast<SuiteId>(id);
  if (std::find(kAllSuites.begin(), kAllSuites.end(), suite) == kAllSuites.end())
    return Error(Code::malformed, "unknown suite " + std::to_string(id));
  return suite;
}

Result<SuiteId> suite_by_name(std::string_view name) {
  for (const SuiteId suite : kAllSuites)
    if (suite_name(suite) == name) return suite;
  return Error(Code::malformed, "unknown suite \"" + std::string(name) + "\"");
}

std::string_view suite_name(SuiteId suite) {
  switch (suite) {
    case SuiteId::p256:
      return "p256";
    case SuiteId::ffdhe2048:
      return "ffdhe2048";
    case SuiteId::ffdhe3072:
      return "ffdhe3072";
    case SuiteId::ffdhe4096:
      return "ffdhe4096";
  }
  invariant(false);
  return {};
}

}  // namespace coprotect::protocol
