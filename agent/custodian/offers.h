#pragma once

#include "agent/custodian/keys.h"
#include "hsm/keyring.h"
#include "hsm/share_keeper.h"
#include "protocol/handover/offer.h"

namespace coprotect::agent::custodian {

// This agent's offer, and the private half of the key in it.
struct OwnOffer {
  protocol::HandoverOffer offer;
  protocol::HpkePrivateKey ceremony_key;
};

// Makes this agent's offers: its contribution to a key generation or to a handover (protocol/SPEC.md §13.6).
// The private half is held only in memory, so a restart invalidates every offer. The boot nonce in each offer
// shows that.
class Offers {
 public:
  Offers(const hsm::Keyring& keyring, hsm::ShareKeeper& keeper);

  // For a key of which this agent holds no share; `newest_hash` is zeros for a key not yet generated.
  OwnOffer make(const protocol::KeyId& key_id, const Digest& newest_hash) const;
  // For the next epoch of an active key. Proves possession of each share.
  Result<OwnOffer> make(const Key& key) const;

 private:
  const hsm::Keyring& keyring_;
  hsm::ShareKeeper& keeper_;
  ByteArray<16> boot_nonce_;
};

}  // namespace coprotect::agent::custodian
