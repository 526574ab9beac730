#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/dkg/parameters.h"

namespace coprotect::protocol {

// What is announced of a handover before it is carried out (SPEC.md §13.6). Every parse gives
// Code::malformed for what is not of the form.

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

}  // namespace coprotect::protocol
