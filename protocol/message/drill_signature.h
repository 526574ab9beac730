#pragma once

#include "protocol/crypto/hpke.h"
#include "protocol/dkg/parameters.h"
#include "protocol/message/request.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

// The administrator's signature of a drill's evidence, in a file beside it (SPEC.md §12).
struct DrillSignature {
  Certificate certificate;
  Signature signature;

  static DrillSignature sign(ByteView evidence, const Certificate& certificate, const SigningKey& key);
  Bytes encode() const;
  static Result<DrillSignature> parse(ByteView encoded);
  // Code::altered unless the certificate's key signed exactly this evidence. Whose certificate it is, is for
  // the caller to judge.
  Status verify(ByteView evidence) const;
};

// "I have the private half of the recovery key, out of its blob, and what agents keep for it made the share
// of this epoch": a drill's report, signed with the recovery key itself, so that no administrator without kit
// and code can say so. `sid` is the present epoch's: it is good for no report of another epoch.
Signature prove_code_opened(const Sid& sid, const DrillReportBody& report, const HpkePrivateKey& key);
// Whether report.proof is that; `key` is recovery_key of the present epoch.
bool verify_code_opened(const HpkePublicKey& key, const Sid& sid, const DrillReportBody& report);

}  // namespace coprotect::protocol
