#pragma once

#include <optional>

#include "protocol/recovery/blob.h"
#include "protocol/recovery/kit.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// How a new recovery share comes under a new code or password: sealed, the code shown once, and opened again
// with what the operator typed from the paper.
class NewRecovery {
 public:
  // Without a password a code is generated. Operator and generator outlive it.
  NewRecovery(std::optional<Secret> password, const Operator& person, Random& random);

  const protocol::HpkePublicKey& hpke_key() const { return hpke_.public_key(); }
  // The share exists under the code only, afterwards.
  Status seal(const protocol::RecoveryBlob::Binding& binding, protocol::Scalar share);
  // Code::wrong_code after the operator's last try.
  Status reopen() const;

  // What seal() made.
  const protocol::RecoveryBlob& blob() const { return sealed_->first; }
  const protocol::RecoveryKey& recovery_key() const { return sealed_->second; }

 private:
  Result<Secret> retyped_code() const;

  std::optional<Secret> password_;
  const Operator& operator_;
  Random& random_;
  protocol::HpkePrivateKey hpke_;
  std::optional<Secret> input_;  // the code's symbols or the password
  std::optional<std::pair<protocol::RecoveryBlob, protocol::RecoveryKey>> sealed_;
};

}  // namespace coprotect::provisioning
