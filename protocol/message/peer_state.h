#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/message/log.h"

namespace coprotect::protocol {

// The lists that a tenant's client CA signs with a serial number, newest wins.
enum class ListKind : std::uint8_t { clients = 1, keys = 2 };
inline constexpr std::array kListKinds = {ListKind::clients, ListKind::keys};

// How far an agent has come (SPEC.md §11), as far as it concerns one other agent: of keys that both hold, and
// of their tenants.
struct PeerState {
  // What an agent said of a key's epochs, which binds it (§13.3).
  struct Said {
    std::uint32_t acknowledged;  // the active epoch
    std::uint32_t decided;       // the newest that it confirmed or voided
    bool operator==(const Said&) const = default;
  };
  using List = std::pair<ListKind, std::string>;  // and its tenant
  std::optional<LogHead> head;                    // of the whole log; none while it is empty
  std::map<KeyId, std::uint32_t> epochs;          // at most kMaxPeerKeys
  std::map<KeyId, Said> said;                     // of the same keys
  std::map<List, std::uint64_t> serials;          // at most kMaxPeerKeys
};
constexpr std::size_t kMaxPeerKeys = 1024;

// One agent tells another its state, and asks what that one remembers of it. Signed by the asker's identity
// key: it is what the other keeps, and shows to the asker again.
struct PeerQuestion {
  PublicKeyBytes asker;
  PublicKeyBytes asked;
  ByteArray<16> nonce;
  Digest known;  // SHA-256 of the question that the asked one remembers, as far as the asker knows; else zero
  PeerState state;

  // `identity` is the asker's.
  Bytes sign(const SigningKey& identity) const;
  // Code::unauthenticated unless the asker signed it, and the head in it.
  static Result<PeerQuestion> parse(ByteView encoded);
};

// The answer to one question, signed by whoever was asked.
struct PeerAnswer {
  struct SignedList {
    ListKind kind;
    Bytes list;  // as the client CA signed it
  };
  PublicKeyBytes answerer;
  Digest question;                // SHA-256 of it
  Bytes remembered;               // the asker's question that was kept before this one, or empty
  std::vector<SignedList> lists;  // that are newer than those in the question; at most kMaxPeerKeys

  Bytes sign(const SigningKey& identity) const;
  // Code::unauthenticated unless the answerer signed it. What is in it is not looked at.
  static Result<PeerAnswer> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
