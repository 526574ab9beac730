#pragma once

#include <optional>

#include "protocol/handover/statements.h"
#include "protocol/recovery/blob.h"
#include "protocol/recovery/kit.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// How a new recovery key comes under a new code: sealed, the code shown once, and opened again
// with what the operator typed from the paper.
class NewRecovery {
 public:
  // Operator and generator outlive it.
  NewRecovery(const Operator& person, Random& random);

  const protocol::HpkePublicKey& hpke_key() const { return hpke_.public_key(); }
  Status seal(const protocol::KeyId& key_id, protocol::SuiteId suite);
  // Code::wrong_code after the operator's last try.
  Status reopen();
  // For a handover, once reopen() succeeded: made with the key that came out of the blob.
  protocol::Signature prove_possession(const protocol::Sid& sid) const;
  // Another copy, to deal with as the recovery party of a key generation.
  protocol::HpkePrivateKey hpke_private_key() const;

  // What seal() made.
  const protocol::RecoveryBlob& blob() const { return sealed_->first; }
  const protocol::RecoveryKey& recovery_key() const { return sealed_->second; }

 private:
  Result<Secret> retyped_code() const;

  const Operator& operator_;
  Random& random_;
  protocol::HpkePrivateKey hpke_;
  std::optional<protocol::HpkePrivateKey> reopened_;
  std::optional<Secret> input_;  // the code's symbols
  std::optional<std::pair<protocol::RecoveryBlob, protocol::RecoveryKey>> sealed_;
};

}  // namespace coprotect::provisioning
