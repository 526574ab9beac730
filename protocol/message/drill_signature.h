#pragma once

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

}  // namespace coprotect::protocol
