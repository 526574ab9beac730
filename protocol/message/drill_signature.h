#pragma once

#include "protocol/crypto/hpke.h"
#include "protocol/dkg/parameters.h"
#include "protocol/message/request.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

// The administrator's signature over a drill's evidence, in a file beside it (SPEC.md §12).
struct DrillSignature {
  Certificate certificate;
  Signature signature;

  static DrillSignature sign(ByteView evidence, const Certificate& certificate, const SigningKey& key);
  Bytes encode() const;
  static Result<DrillSignature> parse(ByteView encoded);
  // Code::altered unless the certificate's key signed exactly this evidence. The caller checks whose
  // certificate it is.
  Status verify(ByteView evidence) const;
};

// "I have the private half of the recovery key, out of its blob, and what agents keep for it made the share
// of this epoch." It belongs to a drill's report and is signed with the recovery key itself, so an
// administrator without kit and code cannot make it. `sid` is the present epoch's, so it is invalid in a
// report of another epoch.
Signature prove_code_opened(const Sid& sid, const DrillReportBody& report, const HpkePrivateKey& key);
// Whether report.proof is such a signature. `key` is the present epoch's recovery_key.
bool verify_code_opened(const HpkePublicKey& key, const Sid& sid, const DrillReportBody& report);

}  // namespace coprotect::protocol
