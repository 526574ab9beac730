#pragma once

#include <vector>

#include "protocol/handover/offer.h"
#include "protocol/message/invitation.h"

namespace coprotect::protocol {

// The messages between provisioning tool and agent around the rounds of a key generation (SPEC.md §5.3). Each
// parse checks the form. verify_* checks the MAC. Encoders are beside decoders.

struct OpenMessage {
  InvitationId invitation;
  std::string tenant;
  Purpose purpose;
  SuiteId suite;
  KeyId key_id;        // the key that the agent is to join in a handover; zeros: a key generation
  Digest newest_hash;  // of the bundle that the handover follows; zeros likewise
  ByteArray<16> nonce;
  Digest mac;

  Bytes encode(const Secret& secret) const;  // computes the MAC; `mac` is ignored
  static Result<OpenMessage> parse(ByteView encoded);
};

// An offer to the holder of the invitation. The MAC also covers the open message.
struct OfferMessage {
  HandoverOffer offer;
  Digest mac;

  Bytes encode(const Secret& secret, ByteView open_message) const;
  static Result<OfferMessage> parse(ByteView encoded);
};

struct ParametersMessage {
  InvitationId invitation;
  Bytes parameters;  // R0
  Digest mac;

  Bytes encode(const Secret& secret) const;
  static Result<ParametersMessage> parse(ByteView encoded);
};

enum class ControlKind : std::uint8_t { status = 1, abort = 2 };
struct ControlMessage {
  InvitationId invitation;
  ControlKind kind;
  Sid sid;  // zero for status
  ByteArray<16> nonce;
  Digest mac;

  Bytes encode(const Secret& secret) const;
  static Result<ControlMessage> parse(ByteView encoded);
};

// Whether an encoded open, parameters or control message carries the right MAC.
enum class MacTag { open, parameters, control };
bool verify_mac(const Secret& secret, MacTag tag, ByteView encoded);
bool verify_offer_mac(const Secret& secret, ByteView offer, ByteView open_message);

enum class CeremonyState : std::uint8_t { none = 0, running = 1, prepared = 2, active = 3 };
struct StatusMessage {
  CeremonyState state;
  Sid sid;
  Bytes bundle;  // if active; the plan if a handover has prepared the key
  Bytes blob;    // if active

  Bytes encode() const;
  static Result<StatusMessage> parse(ByteView encoded);
};

// All parties' messages of one round.
struct MessageList {
  std::vector<Bytes> messages;

  Bytes encode() const;
  static Result<MessageList> parse(ByteView encoded);
};

struct StoreBlobMessage {
  Sid sid;
  Bytes blob;
  Bytes tool_message;  // the tool's round-5 message over the blob's hash

  Bytes encode() const;
  static Result<StoreBlobMessage> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
