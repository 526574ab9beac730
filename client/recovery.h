#pragma once

#include "client/enrolment.h"
#include "client/quorum.h"
#include "protocol/recovery/kit.h"

namespace coprotect::client {

// The recovery blob of the bundle's key, from whichever agent answers first; only an administrator gets it.
Result<protocol::RecoveryBlob> fetch_blob(const protocol::Bundle& bundle, const Credentials& credentials,
                                          std::chrono::milliseconds deadline);

// What the recovery code gives back: the share, and the key under which the kit's was sealed.
struct OpenedBlob {
  LocalShare share;
  protocol::RecoveryKey recovery_key;
};
// `typed` is the code or password as it was typed. Code::wrong_code if it is not the one, for a mistyped code
// before any long computation; Code::altered if the blob is not of this bundle's key.
Result<OpenedBlob> open_blob(const protocol::RecoveryBlob& blob, const protocol::Bundle& bundle,
                             const Secret& typed);

// A kit's recovery administrator.
Result<Credentials> open_kit_key(const protocol::RecoveryKit& kit, const protocol::RecoveryKey& recovery_key);

}  // namespace coprotect::client
