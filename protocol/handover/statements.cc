#include "protocol/handover/statements.h"

#include "protocol/crypto/hash.h"
#include "protocol/crypto/p256.h"

namespace coprotect::protocol {
namespace {

Digest confirmation(const HandoverTranscript& transcript) {
  return tagged_hash("CPV1-HANDOVER-CONFIRM", {transcript.hash()});
}

Digest acknowledgement(const Sid& sid, const Digest& transcript) {
  return tagged_hash("CPV1-HANDOVER-ACTIVE", {sid, transcript});
}

Digest voidance(const Sid& sid) {
  return tagged_hash("CPV1-HANDOVER-VOID", {sid});
}

Digest possession(const Sid& sid, const Digest& blob_hash) {
  return tagged_hash("CPV1-RECOVERY-KEY", {sid, blob_hash});
}

}  // namespace

Signature confirm_handover(const HandoverTranscript& transcript, const SigningKey& identity) {
  return identity.sign(confirmation(transcript));
}

bool verify_confirmation(const VerifyKey& identity, const HandoverTranscript& transcript,
                         const Signature& signature) {
  return identity.verify(confirmation(transcript), signature);
}

Signature acknowledge_handover(const Sid& sid, const Digest& transcript, const SigningKey& identity) {
  return identity.sign(acknowledgement(sid, transcript));
}

bool verify_acknowledgement(const VerifyKey& identity, const Sid& sid, const Digest& transcript,
                            const Signature& signature) {
  return identity.verify(acknowledgement(sid, transcript), signature);
}

Signature void_handover(const Sid& sid, const SigningKey& identity) {
  return identity.sign(voidance(sid));
}

bool verify_void(const VerifyKey& identity, const Sid& sid, const Signature& signature) {
  return identity.verify(voidance(sid), signature);
}

Signature prove_recovery_key(const Sid& sid, const Digest& blob_hash, const HpkePrivateKey& key) {
  // A scalar that is valid for one is valid for the other.
  return SigningKey::from_scalar(key.scalar().reveal())->sign(possession(sid, blob_hash));
}

bool verify_recovery_key(const HpkePublicKey& key, const Sid& sid, const Digest& blob_hash,
                         const Signature& signature) {
  const auto verifier = VerifyKey::parse(p256::compress(key));
  return verifier && verifier->verify(possession(sid, blob_hash), signature);
}

}  // namespace coprotect::protocol
