#pragma once

#include <optional>
#include <span>

#include "client/partial_exchange.h"

namespace coprotect::provisioning {

// Something that only a quorum of the key's parties can bring out, and that is known beforehand: random bytes
// that were encrypted to an envelope key as a file is; or, for a key that derives, what a fresh key pair and
// the joint key share.
class Canary {
 public:
  static Result<Canary> make(const protocol::Bundle& bundle, Random& random);

  // SHA-256 of what is to come out.
  const Digest& digest() const { return digest_; }
  // A request for one party's part.
  client::PartialExchange ask(std::size_t party, const client::Asker& asker, std::int64_t now_ms,
                              Random& random) const;
  // The part of whoever holds this share.
  protocol::IndexedPartial part(std::uint8_t index, const protocol::Scalar& share) const;
  // Whether the parts of one quorum bring it out. Code::altered if they bring out something else.
  Status check(std::span<const protocol::IndexedPartial> parts) const;

 private:
  explicit Canary(protocol::Bundle bundle) : bundle_(std::move(bundle)) {}
  const protocol::Element& base() const;
  Result<Secret> open(std::span<const protocol::IndexedPartial> parts) const;

  protocol::Bundle bundle_;
  Digest digest_{};
  std::optional<protocol::Header> header_;  // of an envelope key
  Bytes body_;
  std::optional<protocol::Element> peer_;  // the fresh pair's public value, of a derive key
};

}  // namespace coprotect::provisioning
