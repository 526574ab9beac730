#pragma once

#include "hsm/tpm2/storage_key.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm::tpm2 {

using RootId = ByteArray<16>;

// An erasable secret in the TPM: a 32-byte NV index that can be read only with its authorisation value, and
// is not subject to the dictionary attack lockout. Other sealed data can be unsealed from any old copy while
// the TPM has its storage key, whereas an undefined index is gone.
//
// The handle is derived from the root's id. The policy, which allows nothing, marks the index as ours: it is
// the digest of a tag and the id.

// Defines the index and writes `content` (32 bytes) to it. All secrets pass encrypted through a session.
// Code::conflict if the handle is taken.
Status define_root(const Esys& esys, const StorageKey& salt, const RootId& id, const Secret& auth,
                   const Secret& content);
// Code::altered if there is no such index, or it has another authorisation value.
Result<Secret> read_root(const Esys& esys, const StorageKey& salt, const RootId& id, const Secret& auth);
// Succeeds if there is no such index. Leaves an index at its handle alone if it does not have our mark.
Status undefine_root(const Esys& esys, const StorageKey& salt, const RootId& id);

}  // namespace coprotect::hsm::tpm2
