#pragma once

#include <map>
#include <memory>
#include <span>

#include "protocol/dkg/public_transcript.h"
#include "protocol/dkg/recovery_parts.h"

namespace coprotect::protocol {

// One party's side of a key generation (SPEC.md §5). Message in, message or error out; no I/O. Every dealer
// of the default layout (two agents and the provisioning tool) runs this state machine. The calls follow the
// order of the rounds; a call out of order is Code::conflict. Messages are encoded CeremonyMessages and
// include the dealer's own. After an error the ceremony is over.
class Dealer {
 public:
  // `self` is the dealer's position among the parties. Code::malformed unless its keys are the ones in the
  // parameters. The identity key is copied; the copy is wiped with the other secrets when the ceremony is
  // over.
  static Result<Dealer> start(Parameters parameters, std::size_t self, const SigningKey& identity,
                              HpkePrivateKey ceremony_key, Random& random);
  Dealer(Dealer&&) noexcept;
  Dealer& operator=(Dealer&&) noexcept;
  ~Dealer();

  // Round 1.
  Bytes commit();
  // Takes every party's round-1 message. Returns round 2.
  Result<Bytes> reveal(std::span<const Bytes> commits);
  // Takes every party's round-2 message. Returns round 3.
  Result<Bytes> deal(std::span<const Bytes> reveals);

  struct Outcome {
    PublicTranscript transcript;
    std::map<std::uint8_t, Scalar> shares;  // by the dealer's own indices; never the recovery party's
    std::optional<RecoveryParts> parts;     // checked; for agents only, if there is a recovery party
  };
  // Takes every party's round-3 message. The dealer then holds no secret. The caller makes the outcome
  // durable, then signs round 4 with confirm().
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
