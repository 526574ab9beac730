#pragma once

#include <optional>

#include "protocol/handover/statements.h"
#include "protocol/recovery/blob.h"
#include "protocol/recovery/kit.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// Seals a new recovery key under a new code, shows the code once, and opens the blob again with the code that
// the operator typed from the paper. The recovery party of the ceremony is the recovery administrator of its
// kit.
class NewRecovery {
 public:
  // All parameters must outlive it. The key is that of the recovery administrator's certificate.
  NewRecovery(const protocol::SigningKey& administrator, const Operator& person, Random& random);

  // The recovery party signs with this key.
  const protocol::SigningKey& administrator() const { return administrator_; }
  const protocol::HpkePublicKey& hpke_key() const { return hpke_.public_key(); }
  // Seals under a code that has not been shown yet.
  Status seal(const protocol::KeyId& key_id, protocol::SuiteId suite);
  // Shows the code, once.
  Status show();
  // Code::wrong_code after the operator's last attempt.
  Status reopen();
  // For a handover, after reopen() succeeded. Signed with the key that came out of the blob.
  protocol::Signature prove_possession(const protocol::Sid& sid) const;
  // The contents of the blob from reopen(). Afterwards nothing can be proved or dealt with them.
  protocol::RecoveryBlob::Opened opened() && { return std::move(*reopened_); }
  // A copy of the key, with which the recovery party of a key generation deals.
  protocol::HpkePrivateKey hpke_private_key() const;

  // The results of seal().
  const protocol::RecoveryBlob& blob() const { return sealed_->first; }
  const protocol::RecoveryKey& recovery_key() const { return sealed_->second; }

 private:
  Result<Secret> retyped_code() const;

  const protocol::SigningKey& administrator_;
  const Operator& operator_;
  Random& random_;
  protocol::HpkePrivateKey hpke_;
  std::optional<protocol::RecoveryBlob::Opened> reopened_;
  std::optional<Secret> code_;   // until it has been shown
  std::optional<Secret> input_;  // the code's symbols
  std::optional<std::pair<protocol::RecoveryBlob, protocol::RecoveryKey>> sealed_;
};

}  // namespace coprotect::provisioning
