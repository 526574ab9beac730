#pragma once

#include <optional>

#include "protocol/handover/statements.h"
#include "protocol/recovery/blob.h"
#include "protocol/recovery/kit.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// How a new recovery key comes under a new code: sealed, the code shown once, and opened again
// with what the operator typed from the paper. The recovery party of the ceremony is the recovery
// administrator of its kit.
class NewRecovery {
 public:
  // All of them outlive it. The key is that of the recovery administrator's certificate.
  NewRecovery(const protocol::SigningKey& administrator, const Operator& person, Random& random);

  // With which the recovery party signs.
  const protocol::SigningKey& administrator() const { return administrator_; }
  const protocol::HpkePublicKey& hpke_key() const { return hpke_.public_key(); }
  // Under a code that nobody has seen yet.
  Status seal(const protocol::KeyId& key_id, protocol::SuiteId suite);
  // Shows the code, once.
  Status show();
  // Code::wrong_code after the operator's last try.
  Status reopen();
  // For a handover, once reopen() succeeded: made with the key that came out of the blob.
  protocol::Signature prove_possession(const protocol::Sid& sid) const;
  // What reopen() got out of the blob; nothing is left to prove or to deal with then.
  protocol::RecoveryBlob::Opened opened() && { return std::move(*reopened_); }
  // Another copy, to deal with as the recovery party of a key generation.
  protocol::HpkePrivateKey hpke_private_key() const;

  // What seal() made.
  const protocol::RecoveryBlob& blob() const { return sealed_->first; }
  const protocol::RecoveryKey& recovery_key() const { return sealed_->second; }

 private:
  Result<Secret> retyped_code() const;

  const protocol::SigningKey& administrator_;
  const Operator& operator_;
  Random& random_;
  protocol::HpkePrivateKey hpke_;
  std::optional<protocol::RecoveryBlob::Opened> reopened_;
  std::optional<Secret> code_;   // until it is shown
  std::optional<Secret> input_;  // the code's symbols
  std::optional<std::pair<protocol::RecoveryBlob, protocol::RecoveryKey>> sealed_;
};

}  // namespace coprotect::provisioning
