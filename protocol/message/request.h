#pragma once

#include <string>
#include <variant>
#include <vector>

#include "protocol/crypto/ecdsa.h"
#include "protocol/crypto/hpke.h"
#include "protocol/file/header.h"
#include "protocol/file/policy.h"
#include "protocol/message/handover.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

enum class Operation : std::uint8_t {
  partial_decrypt = 1,
  recovery_share = 2,
  log = 3,
  derive = 4,
  handover = 5,
  drill_report = 6
};
// "partial-decrypt", as in logs.
std::string_view operation_name(Operation operation);

constexpr std::size_t kMaxRequestSize = std::size_t{8} << 20;
constexpr std::size_t kMaxItems = 256;
constexpr std::int64_t kRequestWindowMs = 5 * 60 * 1000;

// One header for which a client requests a partial decryption (SPEC.md §7.1, operation 1). A damaged header
// does not make the request invalid. Its parsed values may be wrong; core and stanza type are as they were
// sent.
struct PartialItem {
  Bytes core;  // encoded
  std::uint16_t stanza_type;
  Result<Capsule> capsule;  // or why it is invalid
  Digest c1_hash{};         // SHA-256 of c1 as it was sent; set by parsing
};
struct PartialDecryptBody {
  std::vector<PartialItem> items;
};
struct RecoveryShareBody {};
struct LogBody {
  std::uint64_t from;
  std::uint16_t limit;
};
// Public values of other parties. The key's secret is applied to each: Diffie–Hellman (operation 4).
struct DeriveBody {
  std::vector<Element> peers;
};
// A step of a handover of the key's shares. message/handover.h parses the payload.
struct HandoverBody {
  HandoverStep step;
  Bytes payload;

  // Needs no key. The agent parses it for its log, even if it refuses the request.
  static Result<HandoverBody> parse(ByteView bytes);
};
// The result of a drill (SPEC.md §12, operation 6).
struct DrillReportBody {
  std::int64_t time_ms;  // the time in the evidence
  Digest evidence;       // its SHA-256
  std::uint16_t passed;  // quorums
  std::uint16_t failed;
  // prove_code_opened() (message/drill_signature.h), if the code opened what it should. Otherwise empty.
  Bytes proof = {};

  // The bytes that the proof signs: all fields before it.
  Bytes claim() const;
  bool all_passed() const { return passed > 0 && failed == 0; }
  // Not a drill: it only states that the code was opened.
  bool of_code_alone() const { return passed == 0 && failed == 0 && !proof.empty(); }
};

// In the order of the operations.
using RequestBody =
    std::variant<PartialDecryptBody, RecoveryShareBody, LogBody, DeriveBody, HandoverBody, DrillReportBody>;

// The digest that a request's signature covers: all before the body, the body, all from the certificates on.
Digest request_digest(ByteView head, ByteView body, ByteView certificates);

// A client's request (SPEC.md §7.1), before signing or after its signature was checked.
struct Request {
  std::string tenant;
  KeyId key_id;
  std::uint32_t epoch;
  std::vector<PublicKeyBytes> audience;
  Action action;
  std::string reason;
  ByteArray<16> nonce;
  std::int64_t time_ms;
  HpkePublicKey reply_key;
  RequestBody body;

  Operation operation() const { return static_cast<Operation>(body.index() + 1); }
};

// A request in transit: parsed strictly, with a valid signature under the first certificate of its own chain.
// verify_client_chain() and the client list tell whether that chain is trusted.
struct SignedRequest {
  Request request;
  std::vector<Certificate> chain;
  Digest hash;  // request_hash: SHA-256 of the encoded message

  // The key's suite determines how elements are parsed, and is known only after key_id was looked up. So
  // parsing has two steps: the envelope here …
  struct Envelope;
  // Code::malformed, naming the field, or Code::unauthenticated.
  static Result<Envelope> parse_envelope(ByteView encoded);
  static Bytes sign(const Request& request, const std::vector<Certificate>& chain, const SigningKey& key);
};

// … with everything but the body, and with its signature checked …
struct SignedRequest::Envelope {
  Operation operation;
  Request request;  // body not yet read
  std::vector<Certificate> chain;
  Digest hash;
  Bytes body;

  // … and the body here, in the key's suite.
  Result<SignedRequest> open(SuiteId suite) &&;
};

}  // namespace coprotect::protocol
