#include "protocol/constant_time/cases.h"
#include "protocol/constant_time/poison.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/file/encapsulation.h"
#include "protocol/file/header.h"
#include "protocol/handover/test_handover.h"
#include "protocol/threshold/partial.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::constant_time {
namespace {

using namespace protocol;

// An agent's work for a request: k_i and their proof, for one item and for several.
template <SuiteId suite>
void partials() {
  const Group& group = group_of(suite);
  const Scalar share = secret_scalar(group);
  const Element public_share = published(group.generator_power_secret(share));
  std::vector<Element> bases;
  for (int i = 0; i < 2; ++i) {
    bases.push_back(published(group.random_message(system_random())));
    const PartialSet set = compute_partials(share, public_share, bases, Digest{}, poisoned_random());
    for (const Element& value : set.values) (void)value.encode_secret();
  }
}

// A client's work for a file: m, r and the file key are secret, then everything but the ciphertext.
template <SuiteId suite>
void file() {
  const Group& group = group_of(suite);
  const Polynomial polynomial = Polynomial::random(group, 2, poisoned_random());
  const PublicKey key = *PublicKey::make(published(polynomial.commitments().front()));
  const auto made = Header::create(key, KeyId{1}, {}, poisoned_random());
  Bytes encoded(made->first.encoded().begin(), made->first.encoded().end());
  declassify(encoded);
  const Header header = *Header::parse(encoded);
  const Ciphertext& ciphertext = header.stanzas().front().ciphertext;
  std::vector<IndexedPartial> quorum;
  // For indices 1 and 3, λ is 3/2 and −1/2: full-width numbers mod q.
  for (const std::uint8_t index : {std::uint8_t{1}, std::uint8_t{3}})
    quorum.push_back({index, group.power_secret(ciphertext.c1, polynomial.at(index))});
  const auto m = combine(ciphertext.c2, quorum);
  invariant(bool(m) && bool(header.unlock(*m)));
}

// A dealer's work in a key generation: commitments, proof of possession, the values of its polynomial.
template <SuiteId suite>
void dealer() {
  static const test::TestCeremony ceremony(suite);
  const Group& group = group_of(suite);
  const Polynomial polynomial = Polynomial::random(group, 2, poisoned_random());
  const Reveal reveal = make_reveal(ceremony.parameters, 0, polynomial, poisoned_random());
  Bytes body = reveal.encode();
  declassify(body);
  (void)commitment_of(ceremony.parameters.sid(), 0, *Reveal::parse(body, ceremony.parameters));
  // The receiver's check.
  const Scalar value = *Scalar::parse(group.scalars(), polynomial.at(3).bytes().reveal());
  invariant(group.generator_power_secret(value) ==
            committed_value(Reveal::parse(body, ceremony.parameters)->commitments, 3));
}

// A dealer's work in a handover, from its offer to its deal, and a receiver's work.
template <SuiteId suite>
void handover() {
  static auto key = test::TestKey::generate(suite);
  static const test::TestHandover made(key, test::default_layout(), {1, 2});
  const Scalar share = key.shares.at(1).clone();
  poison(share.bytes().reveal());
  const Sharing& now = key.bundle.sharing();
  (void)prove_share(Digest{}, {now.key_id, now.epoch, 1, now.public_share(1)}, share, poisoned_random());
  Bytes encoded = make_deal(made.plan, 1, share, poisoned_random())->encode();
  declassify(encoded);  // it is sent
  const Deal deal = *Deal::parse(encoded, made.plan);
  const HpkePrivateKey& ceremony_key = made.ceremony_keys[0];
  poison(ceremony_key.scalar().reveal());
  invariant(bool(open_dealt_value(made.plan, deal, 1, ceremony_key)));
}

}  // namespace

std::vector<Case> threshold_cases() {
  return {{"partials/p256", partials<SuiteId::p256>}, {"partials/ffdhe2048", partials<SuiteId::ffdhe2048>},
          {"file/p256", file<SuiteId::p256>},         {"file/ffdhe2048", file<SuiteId::ffdhe2048>},
          {"dealer/p256", dealer<SuiteId::p256>},     {"dealer/ffdhe2048", dealer<SuiteId::ffdhe2048>},
          {"handover/p256", handover<SuiteId::p256>}, {"handover/ffdhe2048", handover<SuiteId::ffdhe2048>}};
}

}  // namespace coprotect::constant_time
