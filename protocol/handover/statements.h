#pragma once

#include "protocol/handover/transcript.h"

namespace coprotect::protocol {

// What parties state about a handover, each signed with an identity key (SPEC.md §13.3).

// "My share of this is durable, and I will confirm no other handover of this epoch."
Signature confirm_handover(const HandoverTranscript& transcript, const SigningKey& identity);
bool verify_confirmation(const VerifyKey& identity, const HandoverTranscript& transcript,
                         const Signature& signature);

// "I use the shares of this." Once every party says so, older shares are erased. `transcript` is
// HandoverTranscript::hash().
Signature acknowledge_handover(const Sid& sid, const Digest& transcript, const SigningKey& identity);
bool verify_acknowledgement(const VerifyKey& identity, const Sid& sid, const Digest& transcript,
                            const Signature& signature);

// "I never confirmed this, and never will."
Signature void_handover(const Sid& sid, const SigningKey& identity);
bool verify_void(const VerifyKey& identity, const Sid& sid, const Signature& signature);

// "I have the private half of this plan's recovery key, and this blob holds it." Signed with the recovery key
// itself, after the blob was opened again with the code.
Signature prove_recovery_key(const Sid& sid, const Digest& blob_hash, const HpkePrivateKey& key);
bool verify_recovery_key(const HpkePublicKey& key, const Sid& sid, const Digest& blob_hash,
                         const Signature& signature);

}  // namespace coprotect::protocol
