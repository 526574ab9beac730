#pragma once

#include <optional>
#include <vector>

#include "protocol/handover/consent.h"
#include "protocol/handover/offer.h"
#include "protocol/handover/statements.h"
#include "protocol/message/invitation.h"

namespace coprotect::protocol {

// What provisioning tool and agents tell each other around a handover (SPEC.md §13.6). An agent that holds
// the key is asked by signed requests, operation 5, whose body is a step and its payload; one that joins, by
// its invitation. Encoders beside decoders; every parse gives Code::malformed for what is not of the form.

enum class HandoverStep : std::uint8_t {
  status = 1,    // empty → HandoverStatus
  announce = 2,  // Announcement → HandoverNotice
  offer = 3,     // empty → HandoverOffer
  deal = 4,      // DealRequest → MessageList of Deals
  prepare = 5,   // PrepareRequest → Signature, the confirmation
  activate = 6,  // version → Signature, the acknowledgement
  retire = 7,    // RetireRequest → empty
  abort = 8,     // AbortRequest → Signature, the void statement
  veto = 9,      // HandoverNotice::hash() → empty
  consent = 10,  // DealRequest without consents → Consent; empty, if the agent has no say in the plan
};
std::string_view step_name(HandoverStep step);

// Who is to hold a key: what is announced before, and compared when it is done. Names no key that is made
// anew for each try.
struct Layout {
  struct Holder {
    std::string name;
    std::vector<std::uint8_t> indices;
    PublicKeyBytes organisation;                 // the key that certifies the holder
    std::optional<PublicKeyBytes> identity_key;  // of an agent
    std::string url;                             // of an agent
    friend bool operator==(const Holder&, const Holder&) = default;
  };
  std::uint8_t t;
  std::vector<Holder> holders;

  static Layout of(const Parameters& parameters);
  Bytes encode() const;
  static Result<Layout> parse(ByteView encoded);
  friend bool operator==(const Layout&, const Layout&) = default;
};

// What a recovery administrator announces: who is to hold the key, and under which recovery key.
struct Announcement {
  Layout layout;
  std::optional<HpkePublicKey> recovery_key;  // R0's

  static Announcement of(const Parameters& parameters);
  Bytes encode() const;
  static Result<Announcement> parse(ByteView encoded);
  friend bool operator==(const Announcement&, const Announcement&) = default;
};

// What an agent knows of an announced handover. Several wait side by side, one of each announcer's key, and
// only that key carries its own out.
struct HandoverNotice {
  Announcement what;
  Digest announcer;    // SHA-256 of the SubjectPublicKeyInfo of the certificate that announced it
  std::string client;  // of that certificate: a URI
  std::int64_t not_before_ms;
  // For how long the agent still has to run before it is carried out, whatever the wall clock says.
  std::int64_t running_left_ms;
  bool vetoed;

  // What a veto names.
  Digest hash() const;
  Bytes encode() const;
  static Result<HandoverNotice> parse(ByteView encoded);
};
constexpr std::size_t kMaxNotices = 8;  // of one key

struct DealRequest {
  Bytes plan;
  std::vector<HandoverOffer> offers;  // of each agent of the plan, in its order
  std::vector<Bytes> consents;        // of all agents that deal, if it is no refresh (consent.h)
  Bytes recovery_proof = {};          // prove_recovery_share() (offer.h), of an announced plan; else empty

  Bytes encode() const;
  static Result<DealRequest> parse(ByteView encoded);
};

struct PrepareRequest {
  std::vector<Bytes> deals;  // in the plan's order of dealers
  Bytes blob;                // with a new code, else empty
  Bytes possession;          // prove_recovery_key() of the new one, else empty

  Bytes encode() const;
  static Result<PrepareRequest> parse(ByteView encoded);
};

// Statements of parties, each with its identity key.
struct Statement {
  PublicKeyBytes party;
  Signature signature;
};

struct RetireRequest {
  Bytes version;
  std::vector<Statement> acknowledgements;

  Bytes encode() const;
  static Result<RetireRequest> parse(ByteView encoded);
};

struct AbortRequest {
  Bytes plan;
  std::vector<Statement> voids;

  Bytes encode() const;
  static Result<AbortRequest> parse(ByteView encoded);
};

// What an agent that joins needs to know; MAC with its invitation's secret.
struct JoinMessage {
  InvitationId invitation;
  Bytes bundle;  // that the plan follows
  Bytes plan;
  std::vector<Bytes> deals;
  Bytes blob;
  Bytes possession;  // as in PrepareRequest
  Digest mac;

  Bytes encode(const Secret& secret) const;  // computes the MAC; `mac` is ignored
  static Result<JoinMessage> parse(ByteView encoded);
};
bool verify_join_mac(const Secret& secret, ByteView encoded);

// What makes an agent that was to join say that it never will; MAC with its invitation's secret. Asked of an
// agent by the plan, so that it knows which of its offers are over.
struct VoidMessage {
  InvitationId invitation;
  Bytes plan;
  Digest mac;

  Bytes encode(const Secret& secret) const;  // computes the MAC; `mac` is ignored
  static Result<VoidMessage> parse(ByteView encoded);
};
bool verify_void_mac(const Secret& secret, ByteView encoded);

// How far an agent is with a key.
struct HandoverStatus {
  // A handover that was confirmed here and may still be completed or aborted.
  struct Prepared {
    Bytes transcript;  // HandoverTranscript::body()
    Signature confirmation;
  };
  std::uint32_t epoch;    // that is active here
  std::uint32_t decided;  // the newest epoch of which another handover cannot be confirmed here any more
  bool unacknowledged;    // the epoch before is still kept, because not all are known to have this one
  Bytes bundle;           // of the active epoch
  std::optional<Prepared> prepared;
  std::vector<HandoverNotice> announced;

  Bytes encode() const;
  static Result<HandoverStatus> parse(ByteView encoded);
};

// A signature as an answer's only content.
Bytes encode_signature(const Signature& signature);
Result<Signature> parse_signature(ByteView encoded);

}  // namespace coprotect::protocol
