#pragma once

#include "provisioning/handover/holder_group.h"

namespace coprotect::provisioning {

// A recovery kit, opened with its code: what the recovery administrator can do alone, before any agent helps.
struct OpenedKit {
  protocol::RecoveryKit kit;
  protocol::Bundle bundle;  // as the kit has it
  protocol::RecoveryBlob::Opened blob;
  client::Credentials administrator;

  // Asks the operator for the code. Code::wrong_code if it is not the kit's.
  static Result<OpenedKit> open(const std::filesystem::path& file, const Operator& person);
  static Result<OpenedKit> open(protocol::RecoveryKit kit, const Operator& person);
  // The same with what the code already got out of the kit's blob.
  static Result<OpenedKit> with(protocol::RecoveryKit kit, protocol::RecoveryBlob::Opened opened);

  // The recovery share of the newest epoch, with the parts that an agent keeps for it. Code::wrong_code if
  // the bundle has a newer recovery key; what the agent keeps does not decide that.
  Result<RecoveryDealer> share_of(const protocol::Bundle& newest, HolderAgent& agent) const;
  // The same with the first of these agents whose parts are right; there is at least one.
  Result<RecoveryDealer> share_from(const protocol::Bundle& newest, std::span<const NewHolder> agents) const;
};

// The client CA's key, from this kit, or from another one (`ca_kit`; empty: there is none). Neither key has
// to be in use for that: a kit opens with its code, and without an agent.
Result<protocol::SigningKey> client_ca_key(const OpenedKit& kit, const std::filesystem::path& ca_kit,
                                           const Operator& person);

}  // namespace coprotect::provisioning
