#pragma once

#include "provisioning/handover/holder_group.h"

namespace coprotect::provisioning {

// A recovery kit opened with its code: what the recovery administrator has without any agent.
struct OpenedKit {
  protocol::RecoveryKit kit;
  protocol::Bundle bundle;  // the one in the kit
  protocol::RecoveryBlob::Opened blob;
  client::Credentials administrator;

  // Asks the operator for the code. Code::wrong_code if it is not the kit's.
  static Result<OpenedKit> open(const std::filesystem::path& file, const Operator& person);
  static Result<OpenedKit> open(protocol::RecoveryKit kit, const Operator& person);
  // The same with the already opened contents of the kit's blob.
  static Result<OpenedKit> with(protocol::RecoveryKit kit, protocol::RecoveryBlob::Opened opened);

  // The recovery share of the newest epoch, from the parts that an agent keeps for it. Code::wrong_code if
  // the bundle has a newer recovery key; the agent's parts have no influence on that.
  Result<RecoveryDealer> share_of(const protocol::Bundle& newest, HolderAgent& agent) const;
  // The same from the first of these agents whose parts are right. There must be at least one agent.
  Result<RecoveryDealer> share_from(const protocol::Bundle& newest, std::span<const NewHolder> agents) const;
};

// The client CA's key, from this kit or from another one (`ca_kit`; empty: there is none). Neither kit's key
// has to be in use: a kit opens with its code, without an agent.
Result<protocol::SigningKey> client_ca_key(const OpenedKit& kit, const std::filesystem::path& ca_kit,
                                           const Operator& person);

}  // namespace coprotect::provisioning
