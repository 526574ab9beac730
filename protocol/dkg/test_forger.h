#pragma once

#include <algorithm>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/sealed_part.h"
#include "protocol/dkg/test_ceremony.h"

namespace coprotect::protocol::test {

// A party that follows SPEC.md §5.2 only as far as a test wants. It knows its polynomial and writes its
// messages by hand.
class Forger {
 public:
  Forger(const TestCeremony& ceremony, std::uint8_t position)
      : ceremony_(&ceremony), group_(&ceremony.parameters.group()), position_(position) {
    for (unsigned k = 0; k < ceremony.parameters->t; ++k) {
      coefficients.push_back(Scalar::random(group_->scalars(), system_random()));
    }
  }

  // The whole round-2 body, with a valid proof for the given ceremony and sender.
  Bytes reveal_body(const Sid& sid, std::uint8_t sender) const {
    Writer vector;
    for (const Scalar& a : coefficients) vector.bytes(group_->generator_power_secret(a).encode());
    const Scalar nonce = Scalar::random(group_->scalars(), system_random());
    const Bytes r = group_->generator_power_secret(nonce).encode();
    const Digest c = tagged_hash("CPV1-POP", {sid, ByteView(&sender, 1), sha256(vector.view()), r});
    const Scalar z = nonce + Scalar::reduce(group_->scalars(), c) * coefficients.front();
    Writer body;
    body.u8(static_cast<std::uint8_t>(coefficients.size())).bytes(vector.view());
    body.bytes(r).bytes(z.bytes().reveal()).bytes(ByteArray<32>{});
    return std::move(body).take();
  }
  Bytes reveal_body() const { return reveal_body(ceremony_->parameters.sid(), position_); }

  // The round-1 body for this round-2 body, whatever that contains.
  Bytes commit_body(ByteView reveal) const {
    const ByteView opened = reveal.subspan(1, reveal.size() - 33);
    const Digest commitment =
        tagged_hash("CPV1-COMMIT",
                    {ceremony_->parameters.sid(), ByteView(&position_, 1), sha256(opened), reveal.last(32)});
    return {commitment.begin(), commitment.end()};
  }

  // f(index), by Horner's rule.
  Scalar share(std::uint8_t index) const {
    Scalar value = coefficients.back().clone();
    for (std::size_t k = coefficients.size() - 1; k-- > 0;) {
      value = value * Scalar::from_u64(group_->scalars(), index) + coefficients[k];
    }
    return value;
  }
  // The share as in a deal, sealed to the index's holder unless another party is named.
  Bytes sealed_share(std::uint8_t index, const Scalar& value,
                     std::optional<std::size_t> to = std::nullopt) const {
    const Parameters& parameters = ceremony_->parameters;
    Writer info;
    info.literal("CPV1-DEAL").bytes(parameters.sid());
    const Party& holder = parameters->parties[to.value_or(parameters.holder_of(index))];
    Writer aad;
    aad.u8(position_).u8(index).bytes(holder.identity_key.bytes());
    return must(
        hpke_seal(holder.ceremony_key, info.view(), aad.view(), value.bytes().reveal(), system_random()));
  }
  // A round-3 body with valid shares for the given indices, and an arbitrary count.
  Bytes deal_body(std::uint8_t count, const std::vector<std::uint8_t>& indices) const {
    Writer body;
    body.u8(count);
    for (const std::uint8_t index : indices) {
      const bool exists = index >= 1 && index <= ceremony_->parameters->n;
      if (exists && ceremony_->parameters.holder_of(index) == ceremony_->parameters.recovery_party()) {
        body.bytes(part_entry(part(share(index))));
        continue;
      }
      body.u8(index).lp(sealed_share(exists ? index : 1, share(index)));
    }
    return std::move(body).take();
  }

  RecoveryStatement statement() const {
    std::vector<Element> commitments;
    for (const Scalar& a : coefficients) commitments.push_back(group_->generator_power_secret(a));
    return recovery_statement(ceremony_->parameters, position_, std::move(commitments));
  }
  RecoveryPart part(const Scalar& value) const {
    return must(RecoveryPart::make(statement(), value, system_random()));
  }
  // The recovery party's entry of a deal.
  Bytes part_entry(const RecoveryPart& part) const {
    Writer w;
    w.u8(statement().index).bytes(sha256(part.encoded()));
    w.lp4(must(seal_part(ceremony_->parameters, statement(), part, system_random())));
    return std::move(w).take();
  }

  Bytes message(Round round, Bytes body) const {
    return CeremonyMessage::sign(round, ceremony_->parameters.sid(), position_, std::move(body),
                                 ceremony_->identity_keys[position_])
        .encode();
  }

  std::vector<Scalar> coefficients;

 private:
  const TestCeremony* ceremony_;
  const Group* group_;
  std::uint8_t position_;
};

}  // namespace coprotect::protocol::test
