#include "protocol/message/acknowledged.h"

#include <algorithm>

#include "protocol/handover/statements.h"

namespace coprotect::protocol {

Status check_acknowledged(const Bundle& bundle, std::span<const Statement> acknowledgements) {
  for (const Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    const bool said = std::ranges::any_of(acknowledgements, [&](const Statement& statement) {
      return statement.party == party.identity_key.bytes() &&
             verify_acknowledgement(party.identity_key, bundle.sharing().sid, bundle.newest_hash(),
                                    statement.signature);
    });
    if (!said)
      return Error(Code::conflict, party_label(party) + " did not acknowledge epoch " +
                                       std::to_string(bundle.epoch()) + ": older shares stay");
  }
  return Done{};
}

}  // namespace coprotect::protocol
