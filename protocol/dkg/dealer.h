#pragma once

#include <map>
#include <memory>
#include <span>

#include "protocol/dkg/public_transcript.h"
#include "protocol/dkg/recovery_parts.h"

namespace coprotect::protocol {

// One party's side of a key generation (SPEC.md §5): message in, message or error out, no I/O. Every dealer
// of the default layout (two agents and the provisioning tool) runs this same machine. The calls come in the
// order of the rounds; one out of order is Code::conflict. Messages are encoded CeremonyMessages, the
// dealer's own among them. After an error the ceremony is over.
class Dealer {
 public:
  // `self` is the dealer's position in the parties; its keys must be the ones in the parameters
  // (Code::malformed).
  // The identity key is copied and goes with the other secrets when the ceremony is over.
  static Result<Dealer> start(Parameters parameters, std::size_t self, const SigningKey& identity,
                              HpkePrivateKey ceremony_key, Random& random);
  Dealer(Dealer&&) noexcept;
  Dealer& operator=(Dealer&&) noexcept;
  ~Dealer();

  // Round 1.
  Bytes commit();
  // Takes every party's round 1, gives round 2.
  Result<Bytes> reveal(std::span<const Bytes> commits);
  // Takes every party's round 2, gives round 3.
  Result<Bytes> deal(std::span<const Bytes> reveals);

  struct Outcome {
    PublicTranscript transcript;
    std::map<std::uint8_t, Scalar> shares;  // by the dealer's own indices; none of the recovery party's
    std::optional<RecoveryParts> parts;     // checked; for agents, if there is a recovery party
  };
  // Takes every party's round 3. The dealer holds nothing secret afterwards; the caller makes the outcome
  // durable and then signs round 4 with confirm().
  Result<Outcome> receive(std::span<const Bytes> deals);

  const Parameters& parameters() const;

 private:
  struct State;
  explicit Dealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The round-4 message of a party whose outcome is durable.
Bytes confirm(const PublicTranscript& transcript, std::size_t self, const SigningKey& identity);

}  // namespace coprotect::protocol
