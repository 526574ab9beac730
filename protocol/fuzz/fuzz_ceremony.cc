// Messages of a key generation to the dealer: unsigned, as from an outsider, and signed, as from a malicious
// party.

#include "protocol/dkg/test_ceremony.h"
#include "protocol/fuzz/patched.h"

using namespace coprotect;
using namespace coprotect::protocol;

namespace {

// Two parties. The fuzzer is the second one, which signs anything.
class Fixture {
 public:
  Bytes signed_by_second(Round round, Bytes body) const {
    return CeremonyMessage::sign(round, ceremony.parameters.sid(), 1, std::move(body),
                                 ceremony.identity_keys[1])
        .encode();
  }
  Bytes body_of(const Bytes& message, Round round) const {
    return must(CeremonyMessage::parse(message, round, ceremony.parameters)).body;
  }
  // The second party's bodies of rounds 1 to 3 are valid, except for the changes to one of them.
  void run(Round changed, ByteView changes) const {
    Dealer first = ceremony.dealer(0);
    Dealer second = ceremony.dealer(1);
    const auto sent = [&](Round round, const Bytes& message) {
      return round == changed ? signed_by_second(round, fuzz::patched(body_of(message, round), changes))
                              : message;
    };
    const Bytes commit_0 = first.commit();
    const Bytes commit_1 = second.commit();
    const Bytes reveal_1 = must(second.reveal(std::vector<Bytes>{commit_0, commit_1}));
    const auto reveal_0 = first.reveal(std::vector<Bytes>{commit_0, sent(Round::commit, commit_1)});
    if (!reveal_0) return;
    const auto deal_0 = first.deal(std::vector<Bytes>{*reveal_0, sent(Round::reveal, reveal_1)});
    if (!deal_0) return;
    const Bytes deal_1 = must(second.deal(std::vector<Bytes>{*reveal_0, reveal_1}));
    const auto outcome = first.receive(std::vector<Bytes>{*deal_0, sent(Round::deal, deal_1)});
    if (!outcome) return;
    const Group& group = ceremony.parameters.group();
    invariant(group.generator_power_secret(outcome->shares.at(1)) == outcome->transcript.public_share(1));
  }

  test::TestCeremony ceremony{SuiteId::p256, {2, {{"cloud", {1}}, {"recovery", {2}}}}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture fixture;
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  if (data[0] % 5 == 4) {
    const auto message = CeremonyMessage::parse(input, Round::commit, fixture.ceremony.parameters);
    invariant(!message || message->encode() == Bytes(input.begin(), input.end()));
  } else if (data[0] % 5 == 3) {
    const auto reveal = Reveal::parse(input, fixture.ceremony.parameters);
    invariant(!reveal || reveal->encode() == Bytes(input.begin(), input.end()));
  } else {
    fixture.run(static_cast<Round>(data[0] % 5 + 1), input);
  }
  return 0;
}
