#pragma once

#include <optional>
#include <span>

#include "client/partial_exchange.h"

namespace coprotect::provisioning {

// A known value that only a quorum of the key's parties can recover. For an envelope key: random bytes,
// encrypted as a file is. For a derive key: the secret that a fresh key pair and the joint key share.
class Canary {
 public:
  static Result<Canary> make(const protocol::Bundle& bundle, Random& random);

  // SHA-256 of the expected value.
  const Digest& digest() const { return digest_; }
  // A request for one party's partial.
  client::PartialExchange ask(std::size_t party, const client::Asker& asker, std::int64_t now_ms,
                              Random& random) const;
  // The partial of this share's holder.
  protocol::IndexedPartial part(std::uint8_t index, const protocol::Scalar& share) const;
  // Checks that the partials of one quorum recover the value. Code::altered if they yield something else.
  Status check(std::span<const protocol::IndexedPartial> parts) const;

 private:
  explicit Canary(protocol::Bundle bundle) : bundle_(std::move(bundle)) {}
  const protocol::Element& base() const;
  Result<Secret> open(std::span<const protocol::IndexedPartial> parts) const;

  protocol::Bundle bundle_;
  Digest digest_{};
  std::optional<protocol::Header> header_;  // for an envelope key
  Bytes body_;
  std::optional<protocol::Element> peer_;  // the fresh pair's public value, for a derive key
};

}  // namespace coprotect::provisioning
