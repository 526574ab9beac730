#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::hsm::tpm2 {

// A TPM's name for an object with SHA-256: its algorithm and the digest of its public area (TPM 2.0 Part 1
// §16).
using ObjectName = ByteArray<34>;
ObjectName name_of(const TPMT_PUBLIC& area);

// The public area of every key that we seal: a data object under our policy, TPM2_PolicyAuthValue, so that it
// is released only in a policy session and only with its authorisation value. Bound to the TPM and the
// parent. Not subject to the dictionary attack lockout: an unclean stop after a correct use would count as an
// attack, and three lock the TPM.
TPM2B_PUBLIC sealed_area();

// "CPTB" | version u8 = 1 | name of the storage key 34 | unique 32 | private lp. What the TPM needs to load
// the object again; all else of its public area is sealed_area().
struct SealedBlob {
  ObjectName storage_key;
  Digest unique;
  Bytes private_area;

  TPM2B_PUBLIC public_2b() const;
  TPM2B_PRIVATE private_2b() const;
  Bytes encode() const;
  // Code::altered for anything but an encoded blob.
  static Result<SealedBlob> parse(ByteView encoded);
};

}  // namespace coprotect::hsm::tpm2
