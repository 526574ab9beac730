#pragma once

#include "agent/custodian/keys.h"
#include "hsm/keyring.h"
#include "hsm/share_keeper.h"
#include "protocol/handover/offer.h"

namespace coprotect::agent::custodian {

// An offer of this agent, and the private half of the key that it names.
struct OwnOffer {
  protocol::HandoverOffer offer;
  protocol::HpkePrivateKey ceremony_key;
};

// Makes this agent's offers: what it brings to a key generation or to a handover (protocol/SPEC.md §13.6).
// The private half is in memory only, so a restart forgets every offer; the boot nonce in each says so.
class Offers {
 public:
  Offers(const hsm::Keyring& keyring, hsm::ShareKeeper& keeper);

  // For a key of which this agent holds no share; zeros for one that is not generated yet.
  OwnOffer make(const protocol::KeyId& key_id, const Digest& newest_hash) const;
  // For the next epoch of an active key, with a proof of each of its shares.
  Result<OwnOffer> make(const Key& key) const;

 private:
  const hsm::Keyring& keyring_;
  hsm::ShareKeeper& keeper_;
  ByteArray<16> boot_nonce_;
};

}  // namespace coprotect::agent::custodian
