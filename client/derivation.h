#pragma once

#include "client/quorum.h"

namespace coprotect::client {

// Diffie–Hellman with a joint key of purpose `derive`, as programs know it: with public values and secrets in
// the forms of SEC 1 and RFC 7919, which PKCS #11, CMS and TLS share. What a module or provider of somebody
// else's interface needs, and all of it.

// The public key: P-256 an uncompressed point (65 bytes), MODP a big-endian number as long as the prime.
Bytes public_value(const protocol::Bundle& bundle);

// A peer's public value: P-256 a compressed or uncompressed point, MODP a big-endian number, of which leading
// zeros may be left out. Code::malformed unless it is a member of the group other than the identity.
Result<protocol::Element> parse_peer(const protocol::Group& group, ByteView value);

// One key, opened for use. One caller at a time; connections to the agents are kept between calls.
class Derivation {
 public:
  // The key that the configuration calls `name` (empty: its first one). `purpose` is what the agents'
  // policies and logs get to see. Code::denied for a key that is for files.
  static Result<Derivation> open(const Config& config, const std::string& name, std::string purpose);
  // With what the caller has already. A local share, the recovery share, takes the place of one agent; action
  // is `recover` if the credentials are the recovery administrator's, else `view`.
  static Result<Derivation> make(HeldBundle bundle, Credentials credentials, protocol::Action action,
                                 std::string purpose, std::chrono::milliseconds deadline,
                                 std::optional<LocalShare> local, Via via = {});

  const protocol::Bundle& bundle() const { return quorum_.bundle(); }

  // The raw shared secret: P-256 the x-coordinate (32 bytes), MODP as long as the prime. Code::malformed for
  // a bad peer, before anyone is asked; Code::denied, limited, unavailable and others as the agents say;
  // Code::bad_proof, naming the party, if one computed wrongly.
  Result<Secret> shared_secret(ByteView peer);

 private:
  explicit Derivation(Quorum quorum) : quorum_(std::move(quorum)) {}
  Quorum quorum_;
};

}  // namespace coprotect::client
