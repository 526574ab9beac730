#include "client/via.h"

#include "protocol/x509/certificate.h"

namespace coprotect::client {

Result<Via> Via::parse(std::string_view text) {
  constexpr std::string_view kChainFrom = "chain:";
  if (text == "parallel") return Via{};
  if (text == "chain") return Via{.chain = true, .first = std::nullopt};
  if (text.starts_with(kChainFrom) && protocol::valid_party_name(text.substr(kChainFrom.size())))
    return Via{.chain = true, .first = std::string(text.substr(kChainFrom.size()))};
  return Error(Code::malformed, "not \"parallel\", \"chain\" or \"chain:PARTY\"");
}

}  // namespace coprotect::client
