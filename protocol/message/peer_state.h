#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/message/log.h"

namespace coprotect::protocol {

// Lists that a tenant's client CA signs with a serial number. The newest is valid.
enum class ListKind : std::uint8_t { clients = 1, keys = 2 };
inline constexpr std::array kListKinds = {ListKind::clients, ListKind::keys};

// An agent's progress (SPEC.md §11), as far as it concerns one other agent: the keys that both hold, and
// their tenants.
struct PeerState {
  // What an agent stated about a key's epochs. The statements bind it (§13.3).
  struct Said {
    std::uint32_t acknowledged;  // the active epoch
    std::uint32_t decided;       // the newest that it confirmed or voided
    bool operator==(const Said&) const = default;
  };
  using List = std::pair<ListKind, std::string>;  // with its tenant
  std::optional<LogHead> head;                    // of the whole log; absent while it is empty
  std::map<KeyId, std::uint32_t> epochs;          // at most kMaxPeerKeys
  std::map<KeyId, Said> said;                     // of the same keys
  std::map<List, std::uint64_t> serials;          // at most kMaxPeerKeys
};
constexpr std::size_t kMaxPeerKeys = 1024;

// One agent tells another its state, and asks what the other remembers of it. The asker's identity key signs
// it. The asked agent keeps this message and later shows it to the asker.
struct PeerQuestion {
  PublicKeyBytes asker;
  PublicKeyBytes asked;
  ByteArray<16> nonce;
  Digest known;  // SHA-256 of the question that the asked agent last kept, if known to the asker; else zero
  PeerState state;

  // `identity` is the asker's.
  Bytes sign(const SigningKey& identity) const;
  // Code::unauthenticated unless the asker signed both it and the head in it.
  static Result<PeerQuestion> parse(ByteView encoded);
};

// The answer to one question, signed by the asked agent.
struct PeerAnswer {
  struct SignedList {
    ListKind kind;
    Bytes list;  // as the client CA signed it
  };
  PublicKeyBytes answerer;
  Digest question;                // its SHA-256
  Bytes remembered;               // the asker's question that was kept before this one; may be empty
  std::vector<SignedList> lists;  // lists newer than those in the question; at most kMaxPeerKeys

  Bytes sign(const SigningKey& identity) const;
  // Code::unauthenticated unless the answerer signed it. Does not check the contents.
  static Result<PeerAnswer> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
