#include "protocol/message/drill_signature.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/p256.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kDrillSignatureMagic = "CPDS\x01";

Digest evidence_digest(ByteView evidence) {
  return tagged_hash("CPV1-DRILL", {sha256(evidence)});
}

Digest code_opened(const Sid& sid, const DrillReportBody& report) {
  return tagged_hash("CPV1-CODE-OPENED", {sid, report.claim()});
}

Error malformed_drill_signature() {
  return {Code::malformed, "not a drill's signature of version 1"};
}

}  // namespace

DrillSignature DrillSignature::sign(ByteView evidence, const Certificate& certificate,
                                    const SigningKey& key) {
  return {.certificate = certificate, .signature = key.sign(evidence_digest(evidence))};
}

Bytes DrillSignature::encode() const {
  Writer w;
  w.literal(kDrillSignatureMagic).lp(certificate.der()).bytes(signature);
  return std::move(w).take();
}

Result<DrillSignature> DrillSignature::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kDrillSignatureMagic)) return malformed_drill_signature();
  const auto der = r.lp();
  const auto signature = r.array<64>();
  if (!der || !signature || !r.empty()) return malformed_drill_signature();
  auto certificate = Certificate::parse_der(*der);
  if (!certificate) return std::move(certificate).error().in("drill's signature");
  return DrillSignature{.certificate = *std::move(certificate), .signature = *signature};
}

Status DrillSignature::verify(ByteView evidence) const {
  if (!certificate.key().verify(evidence_digest(evidence), signature))
    return Error(Code::altered, "the evidence is not what was signed");
  return Done{};
}

Signature prove_code_opened(const Sid& sid, const DrillReportBody& report, const HpkePrivateKey& key) {
  // A scalar that is valid for one is valid for the other.
  return SigningKey::from_scalar(key.scalar().reveal())->sign(code_opened(sid, report));
}

bool verify_code_opened(const HpkePublicKey& key, const Sid& sid, const DrillReportBody& report) {
  const auto verifier = VerifyKey::parse(p256::compress(key));
  return verifier && verifier->verify(code_opened(sid, report), report.proof);
}

}  // namespace coprotect::protocol
