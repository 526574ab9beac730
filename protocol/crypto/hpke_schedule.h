#pragma once

#include <cstdint>
#include <optional>

#include "protocol/crypto/hpke.h"

// The steps of hpke.h for which RFC 9180's vectors give values.
namespace coprotect::protocol::hpke {

constexpr std::uint16_t kAes128Gcm = 0x0001;
constexpr std::uint16_t kAes256Gcm = 0x0002;

// DHKEM(P-256, HKDF-SHA256), §4.1: the two parties' shared secret. `scalar` is the caller's private key,
// `peer` the other party's public key. Nothing if peer is not a valid point.
std::optional<Secret> kem_shared_secret(ByteView scalar, ByteView peer, const HpkePublicKey& enc,
                                        const HpkePublicKey& recipient);

struct Keys {
  Secret key;
  Secret base_nonce;
};
// KeySchedule of §5.1 in base mode, with HKDF-SHA256 and the given AEAD.
Keys key_schedule(ByteView shared_secret, ByteView info, std::uint16_t aead_id);

}  // namespace coprotect::protocol::hpke
