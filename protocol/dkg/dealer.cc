#include "protocol/dkg/dealer.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/hedged_random.h"
#include "protocol/dkg/sealed_part.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

enum class Step { commit, reveal, deal, receive, over };

Bytes deal_info(const Sid& sid) {
  Writer w;
  w.literal("CPV1-DEAL").bytes(sid);
  return std::move(w).take();
}

// What a sealed share is bound to, besides the ceremony.
Bytes deal_aad(std::uint8_t sender, std::uint8_t index, const Party& holder) {
  Writer w;
  w.u8(sender).u8(index).bytes(holder.identity_key.bytes());
  return std::move(w).take();
}

Bytes random_purpose(const Sid& sid) {
  Writer w;
  w.literal("CPV1-DEAL-RANDOM").bytes(sid);
  return std::move(w).take();
}

std::vector<Bytes> bodies_of(std::vector<CeremonyMessage> messages) {
  std::vector<Bytes> bodies;
  for (CeremonyMessage& message : messages) bodies.push_back(std::move(message.body));
  return bodies;
}

// The contents of a round-3 body: a sealed share for each index that is not the sender's, and every sender's
// part for the recovery party.
struct DealBody {
  std::map<std::uint8_t, ByteView> sealed;
  Digest part_hash{};  // zeros if there is no recovery party
  ByteView sealed_part{};
};

Result<DealBody> read_deal(ByteView body, const Parameters& parameters, std::size_t sender) {
  const auto recovery = parameters.recovery_party();
  Reader r(body);
  const auto count = r.u8();
  if (!count) return Error(Code::malformed, "deal is empty");
  DealBody read;
  unsigned entries = 0;
  for (unsigned index = 1; index <= parameters->n; ++index) {
    const auto expected = static_cast<std::uint8_t>(index);
    const std::size_t holder = parameters.holder_of(expected);
    const bool part = holder == recovery;
    if (holder == sender && !part) continue;
    const auto found = r.u8();
    const auto part_hash = part ? r.array<32>() : Digest{};
    const auto sealed = part ? r.lp4() : r.lp();
    if (found != expected || !part_hash || !sealed) {
      return Error(Code::malformed, "deal does not have index " + std::to_string(index) + " in its place");
    }
    ++entries;
    if (part) {
      read.part_hash = *part_hash;
      read.sealed_part = *sealed;
    } else {
      read.sealed.emplace(expected, *sealed);
    }
  }
  if (!r.empty() || *count != entries) return Error(Code::malformed, "deal has additional shares");
  return read;
}

}  // namespace

struct Dealer::State {
  // Must not outlive the ceremony.
  struct Secrets {
    SigningKey identity;
    HpkePrivateKey ceremony_key;
    HedgedRandom random;
    Polynomial polynomial;
  };

  Parameters parameters;
  std::uint8_t self;
  std::optional<Secrets> secrets;
  Bytes own_reveal{};  // body
  Bytes own_deal{};    // body
  Bytes commit_message{};
  std::vector<Bytes> commit_bodies{};
  std::vector<Bytes> reveal_bodies{};
  std::vector<Reveal> reveals{};
  Step step = Step::commit;

  Bytes message(Round round, Bytes body) const {
    return CeremonyMessage::sign(round, parameters.sid(), self, std::move(body), secrets->identity).encode();
  }

  // Runs one step if it is its turn. The ceremony is over unless the step succeeds.
  template <typename F>
  auto take_step(Step turn, Step next, F run) -> decltype(run()) {
    if (step != turn) return Error(Code::conflict, "key generation: not the turn of this round");
    step = Step::over;
    auto result = run();
    if (result) step = next;
    if (step == Step::over) secrets.reset();
    return result;
  }

  // All parties' bodies of a round. This dealer's own must be as it was sent.
  Result<std::vector<Bytes>> collect(std::span<const Bytes> encoded, Round round, ByteView own) const {
    auto messages = collect_round(encoded, round, parameters);
    if (!messages) return std::move(messages).error();
    if (!std::ranges::equal((*messages)[self].body, own)) {
      return Error(Code::conflict, party_label(parameters->parties[self]) + ": not the message that it sent");
    }
    return bodies_of(*std::move(messages));
  }

  Result<Bytes> seal_shares();
  Result<Scalar> open_share(std::size_t sender, std::uint8_t index, ByteView sealed) const;
  Result<std::map<std::uint8_t, Scalar>> sum_shares(const std::vector<DealBody>& deals) const;
  Result<Bytes> seal_own_part(const RecoveryStatement& statement, const Scalar& value);
  Result<RecoveryParts> open_parts(const std::vector<DealBody>& deals) const;
};

// SHA-256(part) ‖ lp4(sealed part).
Result<Bytes> Dealer::State::seal_own_part(const RecoveryStatement& statement, const Scalar& value) {
  const auto part = RecoveryPart::make(statement, value, secrets->random);
  if (!part) return part.error();
  const auto sealed = seal_part(parameters, statement, *part, secrets->random);
  if (!sealed) return sealed.error();
  Writer w;
  w.bytes(sha256(part->encoded())).lp4(*sealed);
  return std::move(w).take();
}

// An agent's own part reaches it sealed, like the others'.
Result<RecoveryParts> Dealer::State::open_parts(const std::vector<DealBody>& deals) const {
  std::map<std::uint8_t, RecoveryPart> parts;
  std::uint8_t index = 0;
  for (std::size_t i = 0; i < deals.size(); ++i) {
    const auto sender = static_cast<std::uint8_t>(i);
    const RecoveryStatement statement = recovery_statement(parameters, sender, reveals[i].commitments);
    index = statement.index;
    auto part = open_part(parameters, statement, deals[i].sealed_part, deals[i].part_hash, self,
                          secrets->ceremony_key);
    if (!part) return std::move(part).error().in(party_label(parameters->parties[i]));
    if (auto holds = part->check(statement, system_random()); !holds)
      return std::move(holds).error().in(party_label(parameters->parties[i]));
    parts.emplace(sender, *std::move(part));
  }
  return RecoveryParts::of(parameters.sid(), index, std::move(parts));
}

Result<Bytes> Dealer::State::seal_shares() {
  const std::vector<Party>& parties = parameters->parties;
  const Bytes info = deal_info(parameters.sid());
  const auto recovery = parameters.recovery_party();
  const std::size_t own = recovery == self ? 0 : parties[self].indices.size();
  Writer w;
  w.u8(static_cast<std::uint8_t>(parameters->n - own));
  for (unsigned i = 1; i <= parameters->n; ++i) {
    const auto index = static_cast<std::uint8_t>(i);
    const std::size_t holder = parameters.holder_of(index);
    if (holder == self && holder != recovery) continue;
    const Scalar share = secrets->polynomial.at(index);
    if (holder == recovery) {
      const auto part =
          seal_own_part(recovery_statement(parameters, self, secrets->polynomial.commitments()), share);
      if (!part) return part.error();
      w.u8(index).bytes(*part);
      continue;
    }
    const auto sealed = hpke_seal(parties[holder].ceremony_key, info, deal_aad(self, index, parties[holder]),
                                  share.bytes().reveal(), secrets->random);
    if (!sealed) return sealed.error();
    w.u8(index).lp(*sealed);
  }
  return std::move(w).take();
}

Result<Scalar> Dealer::State::open_share(std::size_t sender, std::uint8_t index, ByteView sealed) const {
  const Group& group = parameters.group();
  const Bytes aad = deal_aad(static_cast<std::uint8_t>(sender), index, parameters->parties[self]);
  const std::string what = "share for index " + std::to_string(index);
  const auto encoded = secrets->ceremony_key.open(sealed, deal_info(parameters.sid()), aad);
  if (!encoded) return Error(Code::bad_proof, what + " cannot be opened");
  auto share = Scalar::parse(group.scalars(), encoded->reveal());
  if (!share || group.generator_power_secret(*share) != committed_value(reveals[sender].commitments, index)) {
    return Error(Code::bad_proof, what + " does not match the commitments");
  }
  return share;
}

Result<std::map<std::uint8_t, Scalar>> Dealer::State::sum_shares(const std::vector<DealBody>& deals) const {
  const std::vector<Party>& parties = parameters->parties;
  std::map<std::uint8_t, Scalar> sums;
  if (parameters.recovery_party() == self) return sums;
  for (const std::uint8_t index : parties[self].indices) sums.emplace(index, secrets->polynomial.at(index));
  for (std::size_t sender = 0; sender < parties.size(); ++sender) {
    if (sender == self) continue;
    for (auto& [index, sum] : sums) {
      const auto share = open_share(sender, index, deals[sender].sealed.at(index));
      if (!share) return Error(share.error()).in(party_label(parties[sender]));
      sum = sum + *share;
    }
  }
  return sums;
}

Dealer::Dealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Dealer::Dealer(Dealer&&) noexcept = default;
Dealer& Dealer::operator=(Dealer&&) noexcept = default;
Dealer::~Dealer() = default;

Result<Dealer> Dealer::start(Parameters parameters, std::size_t self, const SigningKey& identity,
                             HpkePrivateKey ceremony_key, Random& random) {
  if (self >= parameters->parties.size()) return Error(Code::malformed, "key generation: no such party");
  const Party& party = parameters->parties[self];
  if (party.identity_key != identity.public_key() || party.ceremony_key != ceremony_key.public_key()) {
    return Error(Code::malformed, party_label(party) + ": its keys are not the ones in the parameters");
  }
  auto own_identity = SigningKey::from_scalar(identity.scalar().reveal());
  if (!own_identity) return std::move(own_identity).error();
  const Group& group = parameters.group();
  // All other randomness is hedged with a_0 (SPEC.md §3.3).
  Scalar constant = Scalar::random(group.scalars(), random);
  HedgedRandom hedged(random, constant.bytes(), random_purpose(parameters.sid()));
  auto polynomial = Polynomial::sharing(group, std::move(constant), parameters->t, hedged);
  auto state = std::make_unique<State>(State{
      .parameters = std::move(parameters),
      .self = static_cast<std::uint8_t>(self),
      .secrets = State::Secrets{.identity = *std::move(own_identity),
                                .ceremony_key = std::move(ceremony_key),
                                .random = std::move(hedged),
                                .polynomial = std::move(polynomial)},
  });
  const Reveal reveal =
      make_reveal(state->parameters, state->self, state->secrets->polynomial, state->secrets->random);
  const Digest commitment = commitment_of(state->parameters.sid(), state->self, reveal);
  state->own_reveal = reveal.encode();
  state->commit_message = state->message(Round::commit, Bytes(commitment.begin(), commitment.end()));
  return Dealer(std::move(state));
}

const Parameters& Dealer::parameters() const {
  return state_->parameters;
}

Bytes Dealer::commit() {
  if (state_->step == Step::commit) state_->step = Step::reveal;
  return state_->commit_message;
}

Result<Bytes> Dealer::reveal(std::span<const Bytes> commits) {
  State& s = *state_;
  return s.take_step(Step::reveal, Step::deal, [&]() -> Result<Bytes> {
    const auto own = CeremonyMessage::parse(s.commit_message, Round::commit, s.parameters);
    auto bodies = s.collect(commits, Round::commit, own->body);
    if (!bodies) return std::move(bodies).error();
    s.commit_bodies = *std::move(bodies);
    return s.message(Round::reveal, s.own_reveal);
  });
}

Result<Bytes> Dealer::deal(std::span<const Bytes> reveals) {
  State& s = *state_;
  return s.take_step(Step::deal, Step::receive, [&]() -> Result<Bytes> {
    auto bodies = s.collect(reveals, Round::reveal, s.own_reveal);
    if (!bodies) return std::move(bodies).error();
    s.reveal_bodies = *std::move(bodies);
    auto opened = open_reveals(s.parameters, s.commit_bodies, s.reveal_bodies);
    if (!opened) return std::move(opened).error();
    s.reveals = *std::move(opened);
    auto body = s.seal_shares();
    if (!body) return std::move(body).error();
    s.own_deal = *std::move(body);
    return s.message(Round::deal, s.own_deal);
  });
}

Result<Dealer::Outcome> Dealer::receive(std::span<const Bytes> deals) {
  State& s = *state_;
  return s.take_step(Step::receive, Step::over, [&]() -> Result<Outcome> {
    const auto deal_bodies = s.collect(deals, Round::deal, s.own_deal);
    if (!deal_bodies) return deal_bodies.error();
    std::vector<DealBody> bodies;
    for (std::size_t i = 0; i < deal_bodies->size(); ++i) {
      auto body = read_deal((*deal_bodies)[i], s.parameters, i);
      if (!body) return std::move(body).error().in(party_label(s.parameters->parties[i]));
      bodies.push_back(*std::move(body));
    }
    auto shares = s.sum_shares(bodies);
    if (!shares) return std::move(shares).error();
    const auto recovery = s.parameters.recovery_party();
    Digest parts_hash{};
    if (recovery) {
      std::map<std::uint8_t, Digest> hashes;
      for (std::size_t i = 0; i < bodies.size(); ++i)
        hashes.emplace(static_cast<std::uint8_t>(i), bodies[i].part_hash);
      parts_hash =
          recovery_parts_hash(s.parameters.sid(), s.parameters->parties[*recovery].indices.front(), hashes);
    }
    std::optional<RecoveryParts> parts;
    if (recovery && *recovery != s.self) {
      auto opened = s.open_parts(bodies);
      if (!opened) return std::move(opened).error();
      parts = *std::move(opened);
    }
    std::vector<PublicTranscript::PartyRounds> rounds;
    for (std::size_t i = 0; i < deal_bodies->size(); ++i) {
      rounds.push_back({.commit_body = s.commit_bodies[i],
                        .reveal_body = s.reveal_bodies[i],
                        .deal_hash = sha256((*deal_bodies)[i])});
    }
    auto transcript = PublicTranscript::make(s.parameters, std::move(rounds), parts_hash);
    if (!transcript) return std::move(transcript).error();
    return Outcome{
        .transcript = *std::move(transcript), .shares = *std::move(shares), .parts = std::move(parts)};
  });
}

Bytes confirm(const PublicTranscript& transcript, std::size_t self, const SigningKey& identity) {
  return CeremonyMessage::sign(Round::confirm, transcript.parameters().sid(), static_cast<std::uint8_t>(self),
                               transcript.confirm_body(), identity)
      .encode();
}

}  // namespace coprotect::protocol
