#pragma once

#include "protocol/base/writer.h"
#include "protocol/bundle/bundle.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/sealed_part.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/handover/offer.h"
#include "protocol/handover/statements.h"

namespace coprotect::protocol::test {

// A key with the secrets of all its parties in one place, before and after handovers.
struct TestKey {
  // Every party's identity key by party name.
  std::map<std::string, SigningKey> identities;
  std::map<std::uint8_t, Scalar> shares;
  HpkePrivateKey recovery_key;
  SigningKey client_ca_key;
  Organisations organisations;
  Bundle bundle;
  Bytes parts = {};           // of epoch 0, as agents keep them
  Digest blob_hash{9, 9, 9};  // of what agents keep beside them

  // One key for all tests of this process that do not need their own.
  static TestKey shared(SuiteId suite) {
    static std::map<SuiteId, TestKey> keys;
    const auto found = keys.find(suite);
    return (found != keys.end() ? found : keys.emplace(suite, generate(suite)).first)->second.clone();
  }
  TestKey clone() const {
    std::map<std::uint8_t, Scalar> all;
    for (const auto& [index, share] : shares) all.emplace(index, share.clone());
    const auto copy = [](const SigningKey& key) {
      return must(SigningKey::from_scalar(key.scalar().reveal()));
    };
    const auto copies = [&copy](const std::map<std::string, SigningKey>& keys) {
      std::map<std::string, SigningKey> made;
      for (const auto& [name, key] : keys) made.emplace(name, copy(key));
      return made;
    };
    return {.identities = copies(identities),
            .shares = std::move(all),
            .recovery_key = must(HpkePrivateKey::from_scalar(recovery_key.scalar().reveal())),
            .client_ca_key = copy(client_ca_key),
            .organisations = copies(organisations),
            .bundle = bundle,
            .parts = parts,
            .blob_hash = blob_hash};
  }
  static TestKey generate(SuiteId suite, const Layout& layout = default_layout()) {
    TestCeremony ceremony(suite, layout);
    auto run = ceremony.run();
    Bytes parts;
    for (const Dealer::Outcome& outcome : run.outcomes)
      if (outcome.parts) parts = outcome.parts->encoded();
    std::map<std::string, SigningKey> identities;
    for (std::size_t i = 0; i < layout.parties.size(); ++i)
      identities.emplace(layout.parties[i].first, std::move(ceremony.identity_keys[i]));
    return {
        .identities = std::move(identities),
        .shares = std::move(run.shares),
        .recovery_key = must(HpkePrivateKey::from_scalar(ceremony.recovery_private_key.scalar().reveal())),
        .client_ca_key = std::move(ceremony.client_ca_key),
        .organisations = std::move(ceremony.organisations),
        .bundle = std::move(run.bundle),
        .parts = parts};
  }
};

// A deal that carries `sealed`, with a new proof of the dealer's share for it. A hostile dealer can make one.
inline Deal proved_again(const HandoverPlan& plan, Deal deal, Bytes sealed, const Scalar& share) {
  deal.sealed = std::move(sealed);
  deal.open.sealed_hash = sha256(deal.sealed);
  const Group& group = plan.group();
  const Scalar nonce = Scalar::random(group.scalars(), system_random());
  deal.open.proof_r = group.generator_power_secret(nonce);
  Writer commitments;
  for (const Element& element : deal.open.commitments) commitments.bytes(element.encode());
  const Digest c =
      tagged_hash("CPV1-HANDOVER", {plan.sid(), ByteView(&deal.open.index, 1), sha256(commitments.view()),
                                    deal.open.sealed_hash, deal.open.part_hash, deal.open.proof_r.encode()});
  deal.open.proof_z = nonce + Scalar::reduce(group.scalars(), c) * share;
  return deal;
}
// The sealed values of a deal, with another value for one index.
inline Bytes sealed_with(const HandoverPlan& plan, const Deal& deal, std::uint8_t other, ByteView value) {
  Writer sealed;
  for (unsigned j = 1; j <= plan->parameters->n; ++j) {
    const auto index = static_cast<std::uint8_t>(j);
    sealed.lp4(index == other ? value : deal.sealed_for(index));
  }
  return std::move(sealed).take();
}

// A deal with a recovery part that its dealer did not make.
inline Deal with_part(const HandoverPlan& plan, const Deal& honest, const Scalar& share,
                      const RecoveryPart& part) {
  Deal deal = must(Deal::parse(honest.encode(), plan));
  const RecoveryStatement statement = dealt_statement(plan, deal.open);
  deal.open.part_hash = sha256(part.encoded());
  Bytes sealed = sealed_with(plan, deal, statement.index,
                             must(seal_part(plan->parameters, statement, part, system_random())));
  return proved_again(plan, std::move(deal), std::move(sealed), share);
}
// A deal that gives the holder of an index a value that is not on its polynomial.
inline Deal with_value(const HandoverPlan& plan, const Deal& honest, const Scalar& share, std::uint8_t index,
                       const Scalar& value) {
  Deal deal = must(Deal::parse(honest.encode(), plan));
  const Party& holder = plan->parameters->parties[plan->parameters.holder_of(index)];
  const Bytes other = must(hpke_seal(holder.ceremony_key, handover_seal_info(plan.sid()),
                                     handover_seal_aad(deal.open.index, index, holder),
                                     value.bytes().reveal(), system_random()));
  Bytes sealed = sealed_with(plan, deal, index, other);
  return proved_again(plan, std::move(deal), std::move(sealed), share);
}

// One handover with all its parties in one place, step by step, so that a test can interfere.
class TestHandover {
 public:
  // Existing parties of the key keep their identity keys; others get new ones. With `new_recovery` the
  // recovery share is sealed to a new recovery key.
  TestHandover(TestKey& key, const Layout& layout, std::vector<std::uint8_t> dealers,
               bool new_recovery = false)
      : key_(key), plan(make_plan(layout, std::move(dealers), new_recovery)) {}

  // The offers of the plan's agents.
  std::vector<HandoverOffer> offers() const {
    const Sharing& now = key_.bundle.sharing();
    std::vector<HandoverOffer> made;
    for (const Party& party : plan->parameters->parties) {
      if (!party.is_agent()) continue;
      HandoverOffer offer{.key_id = plan->key_id,
                          .newest_hash = plan->previous,
                          .nonce = party.nonce,
                          .ceremony_key = party.ceremony_key,
                          .mode = party.mode,
                          .boot_nonce = {},
                          .signature = {},
                          .proofs = {}};
      offer.sign(identity(party.name));
      if (const auto holds = now.parameters.position_of(party.identity_key))
        for (const std::uint8_t index : now.parameters->parties[*holds].indices)
          offer.proofs.push_back(prove(offer, index, now, key_.shares.at(index)));
      made.push_back(std::move(offer));
    }
    return made;
  }
  static ShareProof prove(const HandoverOffer& offer, std::uint8_t index, const Sharing& now,
                          const Scalar& share) {
    const HeldShare held{now.key_id, now.epoch, index, now.public_share(index)};
    return prove_share(offer.hash(), held, share, system_random());
  }
  std::vector<Deal> deal() const {
    std::vector<Deal> deals;
    for (const std::uint8_t index : plan->dealers)
      deals.push_back(must(make_deal(plan, index, key_.shares.at(index), system_random())));
    return deals;
  }
  Result<HandoverTranscript> transcript(const std::vector<Deal>& deals) const {
    std::vector<PublicDeal> open;
    for (const Deal& d : deals) open.push_back(must(PublicDeal::parse(d.open.encode(), plan)));
    return HandoverTranscript::make(key_.bundle.sharing(), key_.bundle.newest_hash(), plan, std::move(open));
  }
  // What the holder of an index of the new epoch receives.
  Result<Scalar> receive(const HandoverTranscript& made, const std::vector<Deal>& deals,
                         std::uint8_t index) const {
    const std::size_t holder = plan->parameters.holder_of(index);
    if (holder == plan.recovery_party()) return must(parts(made, deals)).open(recovery_key(), made.sharing());
    return receive_share(made, deals, index, ceremony_keys[holder]);
  }
  // What the agent at a position keeps for the recovery party.
  Result<RecoveryParts> parts(const HandoverTranscript& made, const std::vector<Deal>& deals,
                              std::size_t agent = 0) const {
    return receive_parts(made, deals, agent, ceremony_keys[agent], system_random());
  }
  const HpkePrivateKey& recovery_key() const {
    return new_recovery_key ? *new_recovery_key : key_.recovery_key;
  }
  Deal with_part(const Deal& honest, const Scalar& share, const RecoveryPart& part) const {
    return test::with_part(plan, honest, share, part);
  }
  std::vector<Signature> confirm(const HandoverTranscript& made) const {
    std::vector<Signature> signatures;
    for (const std::size_t signer : made.signers())
      signatures.push_back(confirm_handover(made, identity(plan->parameters->parties[signer].name)));
    return signatures;
  }
  // Every party follows the protocol. Afterwards the key is in the new epoch.
  void run() {
    const auto deals = deal();
    const auto made = must(transcript(deals));
    std::map<std::uint8_t, Scalar> received;
    for (std::uint8_t j = 1; j <= plan->parameters->n; ++j)
      received.emplace(j, must(receive(made, deals, j)));
    key_.bundle = must(key_.bundle.followed_by(HandoverVersion::encode(made, confirm(made))));
    key_.shares = std::move(received);
    if (new_recovery_key) key_.recovery_key = std::move(*new_recovery_key);
  }
  const SigningKey& identity(const std::string& name) const { return key_.identities.at(name); }
  // Makes the plan's epoch this much later, as after failed handovers. Call it before anything is dealt.
  void skip(std::uint32_t epochs) {
    auto fields = plan.fields();
    fields.epoch += epochs;
    plan = must(HandoverPlan::make(std::move(fields)));
  }

 private:
  HandoverPlan make_plan(const Layout& layout, std::vector<std::uint8_t> dealers, bool new_recovery) {
    const Parameters& from = key_.bundle.parameters();
    if (new_recovery) new_recovery_key.emplace(HpkePrivateKey::generate(system_random()));
    std::vector<Party> parties;
    std::optional<HpkePublicKey> recovery_key_of_plan;
    std::uint8_t n = 0;
    for (const auto& [name, indices] : layout.parties) {
      const bool agent = name != "recovery";
      if (!agent)
        recovery_key_of_plan = new_recovery ? new_recovery_key->public_key() : from->recovery_key.value();
      const auto known = from.position_of(name);
      if (!known || (!agent && new_recovery))
        key_.identities.insert_or_assign(name, SigningKey::generate(system_random()));
      const auto& ceremony = ceremony_keys.emplace_back(HpkePrivateKey::generate(system_random()));
      Party party{
          .name = name,
          .indices = indices,
          .nonce = {},
          .identity_key = identity(name).public_key(),
          .ceremony_key = agent ? ceremony.public_key() : *recovery_key_of_plan,
          .mode = agent ? KeeperMode::sealed : KeeperMode::not_an_agent,
          .url = agent ? layout.url_of(name) : "",
          .identity_certificate = std::nullopt,
          .organisation =
              known && (agent || !new_recovery) ? from->parties[*known].organisation
              : agent ? certify(key_.organisations, layout.organisation_of(name), identity(name).public_key())
                      : certify(key_.organisations, layout.organisation_of(name), *recovery_key_of_plan)};
      system_random().fill(party.nonce);
      if (agent)
        party.identity_certificate = known ? from->parties[*known].identity_certificate
                                           : make_authority(name, identity(name), layout.now_ms);
      parties.push_back(std::move(party));
      n = static_cast<std::uint8_t>(n + indices.size());
    }
    auto parameters = must(Parameters::make({.suite = from->suite,
                                             .purpose = from->purpose,
                                             .t = layout.t,
                                             .n = n,
                                             .tenant = from->tenant,
                                             .parties = std::move(parties),
                                             .client_ca = from->client_ca,
                                             .recovery_key = recovery_key_of_plan}));
    Digest blob{};
    if (parameters.recovery_party()) blob = key_.blob_hash;
    if (new_recovery) {
      system_random().fill(blob);
      key_.blob_hash = blob;
    }
    return must(HandoverPlan::make({.key_id = key_.bundle.key_id(),
                                    .epoch = key_.bundle.epoch() + 1,
                                    .previous = key_.bundle.newest_hash(),
                                    .dealers = std::move(dealers),
                                    .blob_hash = blob,
                                    .parameters = std::move(parameters)}));
  }

  TestKey& key_;

 public:
  std::vector<HpkePrivateKey> ceremony_keys;  // by party
  std::optional<HpkePrivateKey> new_recovery_key;
  HandoverPlan plan;
};

// Whether the quorum combines to the key: the weighted sum of its shares is the key, so g to that power is h.
inline bool makes_the_key(const TestKey& key, std::span<const std::uint8_t> quorum) {
  const Group& group = key.bundle.group();
  Scalar sum = Scalar::from_u64(group.scalars(), 0);
  for (const std::uint8_t index : quorum)
    sum = sum + must(lagrange_at_zero(group, quorum, index)) * key.shares.at(index);
  return group.generator_power_secret(sum) == key.bundle.sharing().h;
}

}  // namespace coprotect::protocol::test
