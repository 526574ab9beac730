#pragma once

#include "client/quorum.h"

namespace coprotect::client {

// Diffie–Hellman with a joint key of purpose `derive`. Public values and secrets have the forms of SEC 1 and
// RFC 7919, which PKCS #11, CMS and TLS share. A module or provider for a foreign interface needs this and
// nothing else.

// The public key: for P-256 an uncompressed point (65 bytes), for MODP a big-endian number as long as the
// prime.
Bytes public_value(const protocol::Bundle& bundle);

// A peer's public value: for P-256 a compressed or uncompressed point, for MODP a big-endian number whose
// leading zeros are optional. Code::malformed unless it is a member of the group other than the identity.
Result<protocol::Element> parse_peer(const protocol::Group& group, ByteView value);

// One key, opened for use. One caller at a time. Keeps the connections to the agents between calls.
class Derivation {
 public:
  // The key that the configuration calls `name` (empty: its first one). The agents' policies and logs see
  // `purpose`. Code::denied for a key that is for files.
  static Result<Derivation> open(const Config& config, const std::string& name, std::string purpose);
  // With objects that the caller already has. A local share, the recovery share, replaces one agent. The
  // action is `recover` if the credentials are the recovery administrator's, else `view`.
  static Result<Derivation> make(HeldBundle bundle, Credentials credentials, protocol::Action action,
                                 std::string purpose, std::chrono::milliseconds deadline,
                                 std::optional<LocalShare> local, Via via = {});

  const protocol::Bundle& bundle() const { return quorum_.bundle(); }

  // The raw shared secret: for P-256 the x-coordinate (32 bytes), for MODP as long as the prime.
  // Code::malformed, before any agent is asked, for an invalid peer. Code::denied, limited, unavailable and
  // others as agents report them. Code::bad_proof, naming the party, if one computed wrongly.
  Result<Secret> shared_secret(ByteView peer);

 private:
  explicit Derivation(Quorum quorum) : quorum_(std::move(quorum)) {}
  Quorum quorum_;
};

}  // namespace coprotect::client
