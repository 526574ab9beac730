#pragma once

#include <optional>
#include <vector>

#include "protocol/handover/consent.h"
#include "protocol/handover/offer.h"
#include "protocol/handover/statements.h"
#include "protocol/message/announcement.h"
#include "protocol/message/invitation.h"

namespace coprotect::protocol {

// The messages between provisioning tool and agents during a handover (SPEC.md §13.6). An agent that holds
// the key receives signed requests, operation 5, whose body is a step and its payload. An agent that joins is
// addressed through its invitation. Encoders are beside decoders. Every parse returns Code::malformed for a
// malformed message.

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
  consent = 10,  // DealRequest without consents → Consent; empty if it need not consent
};
std::string_view step_name(HandoverStep step);

struct DealRequest {
  Bytes plan;
  std::vector<HandoverOffer> offers;  // of each agent of the plan, in its order
  std::vector<Bytes> consents;        // of all consenting_agents(), unless it is a refresh (consent.h)
  Bytes recovery_proof = {};          // prove_recovery_share() (offer.h), for an announced plan; else empty

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
// Encoding of a list: count u8 (0..16), for each: party 33 ‖ signature 64. Code::malformed.
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

// Tells an agent that joins what it needs to know. MAC with its invitation's secret.
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

// Makes an agent that was to join state that it never will. MAC with its invitation's secret. The message
// contains the plan, so that the agent knows which of its offers have ended.
struct VoidMessage {
  InvitationId invitation;
  Bytes plan;
  Digest mac;

  Bytes encode(const Secret& secret) const;  // computes the MAC; `mac` is ignored
  static Result<VoidMessage> parse(ByteView encoded);
};
bool verify_void_mac(const Secret& secret, ByteView encoded);

// An agent's progress with a key.
struct HandoverStatus {
  // A handover that this agent confirmed and that can still be completed or aborted.
  struct Prepared {
    Bytes transcript;  // HandoverTranscript::body()
    Signature confirmation;
  };
  // What the agent reports about the other data that it keeps for the key. Each text describes a problem, and
  // is empty if there is none.
  struct Condition {
    std::optional<std::int64_t> parts_verified_ms =
        {};                                           // when it last verified the recovery parts on its disk
    std::optional<std::int64_t> code_opened_ms = {};  // when it last saw the recovery code open them
    std::string recovery = {};
    std::string contacts = {};  // contacts that it could not notify of an event
    bool erasure_held = false;  // by its operator
    // The key is destroyed and this agent's shares of it are erased. Nothing can restore them. A hold has no
    // effect any more.
    bool erased = false;
    std::string erasure = {};
  };
  std::uint32_t epoch;    // the active one at this agent
  std::uint32_t decided;  // the newest epoch for which this agent can confirm no other handover
  bool unacknowledged;    // keeps the epoch before too, as some agents may not have this one yet
  Bytes bundle;           // of the active epoch
  std::vector<Statement> acknowledgements;  // of it, by all its agents, once this agent saw them; else empty
  std::optional<Prepared> prepared;
  std::vector<HandoverNotice> announced;
  Condition condition = {};

  Bytes encode() const;
  static Result<HandoverStatus> parse(ByteView encoded);
};

// The maximum length of a condition's text.
constexpr std::size_t kMaxConditionText = 1024;

// A reply that contains only a signature.
Bytes encode_signature(const Signature& signature);
Result<Signature> parse_signature(ByteView encoded);

}  // namespace coprotect::protocol
