#pragma once

#include "hsm/tpm2/storage_key.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm::tpm2 {

using RootId = ByteArray<16>;

// An erasable secret in the TPM: an NV index of 32 bytes that only its authorisation value reads, not subject
// to the dictionary attack lockout. What is sealed otherwise can be unsealed from any old copy for as long as
// the TPM has its storage key; an index that was undefined is gone.
//
// Its handle comes from the root's id. Its policy, which allows nothing, is the mark by which it is known as
// ours: the digest of a tag and the id.

// Defines the index and writes `content` (32 bytes) to it. Everything that is secret passes encrypted through
// a session. Code::conflict if the handle is taken.
Status define_root(const Esys& esys, const StorageKey& salt, const RootId& id, const Secret& auth,
                   const Secret& content);
// Code::altered if there is no such index, or it has another authorisation value.
Result<Secret> read_root(const Esys& esys, const StorageKey& salt, const RootId& id, const Secret& auth);
// Done if there is no such index. An index at its handle that has not its mark is not touched.
Status undefine_root(const Esys& esys, const StorageKey& salt, const RootId& id);

}  // namespace coprotect::hsm::tpm2
