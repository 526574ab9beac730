#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/dkg/parameters.h"

namespace coprotect::protocol {

// The announcement of a handover before it is carried out (SPEC.md §13.6). Every parse returns
// Code::malformed for a malformed message.

// Who is to hold a key. It is announced, and compared when the handover is carried out. It contains no key
// that is generated again for each attempt.
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

// A recovery administrator's announcement: who is to hold the key, and under which recovery key.
struct Announcement {
  Layout layout;
  std::optional<HpkePublicKey> recovery_key;  // the one in R0

  static Announcement of(const Parameters& parameters);
  Bytes encode() const;
  static Result<Announcement> parse(ByteView encoded);
  friend bool operator==(const Announcement&, const Announcement&) = default;
};

// What an agent stores about an announced handover. An agent keeps several, one for each announcer's key.
// Only that key can carry out its own.
struct HandoverNotice {
  Announcement what;
  Digest announcer;    // SHA-256 of the SubjectPublicKeyInfo of the certificate that announced it
  std::string client;  // the URI of that certificate
  std::int64_t not_before_ms;
  // How long the agent must still run before the handover may be carried out, whatever the wall clock says.
  std::int64_t running_left_ms;
  bool vetoed;

  // A veto names this hash.
  Digest hash() const;
  Bytes encode() const;
  static Result<HandoverNotice> parse(ByteView encoded);
};
constexpr std::size_t kMaxNotices = 8;  // of one key

}  // namespace coprotect::protocol
