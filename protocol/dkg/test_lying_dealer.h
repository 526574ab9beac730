#pragma once

#include <utility>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/sealed_part.h"
#include "protocol/dkg/test_ceremony.h"

namespace coprotect::protocol::test {

// A party of a key generation that follows the protocol first and then lies: the tool, or a thief of an
// agent's identity key.
class LyingDealer {
 public:
  // `reveal` and `deal` are its correct messages of rounds 2 and 3. `deal` may be empty until it exists.
  // `parameters` and `identity` must outlive it.
  LyingDealer(const Parameters& parameters, std::uint8_t position, const SigningKey& identity, Bytes reveal,
              Bytes deal)
      : parameters_(parameters),
        position_(position),
        identity_(identity),
        reveal_(std::move(reveal)),
        deal_(std::move(deal)) {}

  const Group& group() const { return parameters_.group(); }
  // The statement of its recovery part.
  RecoveryStatement statement() const {
    const auto body = body_of(reveal_, Round::reveal);
    std::vector<Element> commitments;
    Reader r(body);
    const auto t = *r.u8();
    for (unsigned k = 0; k < t; ++k)
      commitments.push_back(must(group().parse(*r.bytes(group().element_size()))));
    return recovery_statement(parameters_, position_, std::move(commitments));
  }

  // The reveal with an A_1 to which it did not commit.
  Bytes with_other_commitment() const {
    Bytes body = body_of(reveal_, Round::reveal);
    const Element other = group().generator_power_secret(Scalar::random(group().scalars(), system_random()));
    const std::size_t size = group().element_size();
    std::ranges::copy(other.encode(), body.begin() + static_cast<std::ptrdiff_t>(1 + size));
    return signed_again(Round::reveal, std::move(body));
  }
  // The deal with values for agents that are not on its polynomial.
  Bytes with_wrong_shares() const {
    return changed([&](Writer& w, std::uint8_t index, bool recovery) {
      if (recovery) return false;
      w.u8(index).lp(sealed(index, Scalar::random(group().scalars(), system_random())));
      return true;
    });
  }
  // The deal with this recovery part instead of its own.
  Bytes with_part(const RecoveryPart& part) const {
    return changed([&](Writer& w, std::uint8_t index, bool recovery) {
      if (!recovery) return false;
      w.u8(index).bytes(sha256(part.encoded()));
      w.lp4(must(seal_part(parameters_, statement(), part, system_random())));
      return true;
    });
  }

 private:
  Bytes body_of(const Bytes& message, Round round) const {
    return must(CeremonyMessage::parse(message, round, parameters_)).body;
  }
  Bytes signed_again(Round round, Bytes body) const {
    return CeremonyMessage::sign(round, parameters_.sid(), position_, std::move(body), identity_).encode();
  }
  Bytes sealed(std::uint8_t index, const Scalar& value) const {
    const Party& holder = parameters_->parties[parameters_.holder_of(index)];
    Writer info;
    info.literal("CPV1-DEAL").bytes(parameters_.sid());
    Writer aad;
    aad.u8(position_).u8(index).bytes(holder.identity_key.bytes());
    return must(
        hpke_seal(holder.ceremony_key, info.view(), aad.view(), value.bytes().reveal(), system_random()));
  }
  // Its own deal, except for the entries that `change` writes.
  template <typename Change>
  Bytes changed(Change change) const {
    const auto body = body_of(deal_, Round::deal);
    Reader r(body);
    const auto count = *r.u8();
    Writer w;
    w.u8(count);
    for (unsigned i = 0; i < count; ++i) {
      const std::size_t begin = body.size() - r.rest().size();
      const auto index = *r.u8();
      const bool recovery = parameters_.holder_of(index) == parameters_.recovery_party();
      if (recovery) {
        r.array<32>();
        r.lp4();
      } else {
        r.lp();
      }
      const ByteView entry = ByteView(body).subspan(begin, body.size() - r.rest().size() - begin);
      if (!change(w, index, recovery)) w.bytes(entry);
    }
    return signed_again(Round::deal, std::move(w).take());
  }

  const Parameters& parameters_;
  std::uint8_t position_;
  const SigningKey& identity_;
  Bytes reveal_;
  Bytes deal_;
};

}  // namespace coprotect::protocol::test
