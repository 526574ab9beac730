#pragma once

#include <optional>
#include <vector>

#include "protocol/handover/consent.h"
#include "protocol/handover/offer.h"
#include "protocol/handover/statements.h"
#include "protocol/message/announcement.h"
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
// As a list: count u8 (0..16), for each: party 33 ‖ signature 64. Code::malformed.
Bytes encode_statements(const std::vector<Statement>& statements);
Result<std::vector<Statement>> parse_statements(ByteView encoded);

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
  // What the agent says of what else it keeps for the key. Texts say what is wrong, and are empty if nothing
  // is.
  struct Condition {
    std::optional<std::int64_t> parts_verified_ms =
        {};                                           // when it last verified the recovery parts on its disk
    std::optional<std::int64_t> code_opened_ms = {};  // when it last saw the recovery code open them
    std::string recovery = {};
    std::string contacts = {};  // whom it could not tell of an event
    bool erasure_held = false;  // by its operator
    // Whether its shares of the key, which is destroyed, are erased: nothing brings them back. Then no hold
    // counts any more.
    bool erased = false;
    std::string erasure = {};
  };
  std::uint32_t epoch;    // that is active here
  std::uint32_t decided;  // the newest epoch of which another handover cannot be confirmed here any more
  bool unacknowledged;    // the epoch before is still kept, because not all are known to have this one
  Bytes bundle;           // of the active epoch
  std::vector<Statement> acknowledgements;  // of it, by all its agents, once this agent saw them; else none
  std::optional<Prepared> prepared;
  std::vector<HandoverNotice> announced;
  Condition condition = {};

  Bytes encode() const;
  static Result<HandoverStatus> parse(ByteView encoded);
};

// The most that a text of a condition has.
constexpr std::size_t kMaxConditionText = 1024;

// A signature as an answer's only content.
Bytes encode_signature(const Signature& signature);
Result<Signature> parse_signature(ByteView encoded);

}  // namespace coprotect::protocol
