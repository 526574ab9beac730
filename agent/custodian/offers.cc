#include "agent/custodian/offers.h"

namespace coprotect::agent::custodian {

Offers::Offers(const hsm::Keyring& keyring, hsm::ShareKeeper& keeper)
    : keyring_(keyring), keeper_(keeper), boot_nonce_() {
  system_random().fill(boot_nonce_);
}

OwnOffer Offers::make(const protocol::KeyId& key_id, const Digest& newest_hash) const {
  auto ceremony_key = protocol::HpkePrivateKey::generate(system_random());
  protocol::HandoverOffer offer{.key_id = key_id,
                                .newest_hash = newest_hash,
                                .nonce = {},
                                .ceremony_key = ceremony_key.public_key(),
                                .mode = keeper_.mode(),
                                .boot_nonce = boot_nonce_,
                                .signature = {},
                                .proofs = {}};
  system_random().fill(offer.nonce);
  offer.sign(keyring_.identity());
  return {std::move(offer), std::move(ceremony_key)};
}

Result<OwnOffer> Offers::make(const Key& key) const {
  OwnOffer own = make(key.key_id(), key.bundle->newest_hash());
  const Digest hash = own.offer.hash();
  for (const auto& [index, record] : key.shares) {
    auto proof =
        keeper_.prove(key.share_id(index), record, key.sharing.public_share(index), hash, system_random());
    if (!proof) return std::move(proof).error();
    own.offer.proofs.push_back(*std::move(proof));
  }
  return own;
}

}  // namespace coprotect::agent::custodian
