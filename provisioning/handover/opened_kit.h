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

  // The recovery share of the newest epoch, with the parts that an agent keeps for it. Code::wrong_code if
  // the agents hold a blob under a newer code.
  Result<RecoveryDealer> share_of(const protocol::Bundle& newest, HolderAgent& agent) const;
};

}  // namespace coprotect::provisioning
