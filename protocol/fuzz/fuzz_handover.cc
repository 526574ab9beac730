// A handover's messages: a changed plan, deal or chain is rejected, parts yield the recovery share or
// nothing, and accepted input encodes to the same bytes.

#include "protocol/fuzz/patched.h"
#include "protocol/handover/test_handover.h"

using namespace coprotect;
using namespace coprotect::protocol;

namespace {

bool same(const Bytes& a, ByteView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// A refresh of a 2-of-3 key, with everything that its parties make.
class Fixture {
 public:
  void read_plan(ByteView encoded) const {
    const auto read = HandoverPlan::parse(encoded);
    if (!read) return;
    invariant(same(read->encoded(), encoded));
    (void)read->refreshes(before.sharing());
    (void)read->follows(before.sharing(), before.newest_hash());
  }
  // An altered offer is no longer valid for its party.
  void read_offer(ByteView encoded) const {
    const auto read = HandoverOffer::parse(encoded);
    if (!read) return;
    invariant(same(read->encode(), encoded));
    auto changed = offers;
    const bool unchanged = same(offers[0].encode(), encoded);
    changed[0] = *read;
    invariant(unchanged == static_cast<bool>(check_offers(plan(), before.sharing(), changed)));
  }
  // An altered deal is rejected, or a receiver finds the error and names the dealer.
  void read_deal(ByteView encoded) const {
    const auto read = Deal::parse(encoded, plan());
    if (!read) return;
    invariant(same(read->encode(), encoded));
    if (same(deals[0].encode(), encoded)) return;
    invariant(read->open.index != 1 || !read->open.check(plan(), before.sharing()));
    (void)read->open.check(plan(), before.sharing());
    (void)open_dealt_value(plan(), *read, 1, refresh.ceremony_keys[0]);
  }
  // Like read_deal(), for a dealer that proves whatever it has sealed.
  void read_sealed(Bytes sealed) const {
    Deal changed = must(Deal::parse(deals[0].encode(), plan()));
    changed.open.sealed_hash = sha256(sealed);
    changed.sealed = std::move(sealed);
    const auto read = Deal::parse(changed.encode(), plan());
    if (!read) return;
    const auto value = open_dealt_value(plan(), *read, 1, refresh.ceremony_keys[0]);
    invariant(!value ||
              plan().group().generator_power_secret(*value) == committed_value(deals[0].open.commitments, 1));
  }
  void read_version(ByteView encoded) const {
    const auto read = HandoverVersion::parse(encoded, before.sharing(), before.newest_hash());
    invariant(!read || same(version, encoded));
  }
  void read_chain(ByteView encoded) const {
    const auto read = Bundle::parse(encoded);
    if (!read) return;
    invariant(same(read->encoded(), encoded));
    invariant(read->key_id() != key.bundle.key_id() || same(key.bundle.encoded(), encoded) ||
              same(before.encoded(), encoded));
  }
  void read_parts(ByteView encoded) const {
    const auto read = RecoveryParts::parse(plan().group(), encoded);
    if (!read) return;
    invariant(same(read->encoded(), encoded));
    const auto share = read->open(key.recovery_key, key.bundle.sharing());
    invariant(!share || (read->index() == 3 && *share == recovery_share));
  }

  const HandoverPlan& plan() const { return refresh.plan; }

  test::TestKey key = test::TestKey::generate(SuiteId::p256);
  const Bundle before = key.bundle;
  const test::TestHandover refresh{key, test::default_layout(), {1, 2}};
  const std::vector<HandoverOffer> offers = refresh.offers();
  const std::vector<Deal> deals = refresh.deal();
  const HandoverTranscript made = must(refresh.transcript(deals));
  const Bytes version = HandoverVersion::encode(made, refresh.confirm(made));
  const RecoveryParts parts = must(refresh.parts(made, deals));
  const Scalar recovery_share = must(parts.open(key.recovery_key, made.sharing()));
  const bool taken = [this] {
    key.bundle = must(key.bundle.followed_by(version));
    return true;
  }();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture good;
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      good.read_plan(fuzz::patched(good.plan().encoded(), input));
      break;
    case 1:
      good.read_deal(fuzz::patched(good.deals[0].encode(), input));
      break;
    case 2:
      good.read_sealed(fuzz::patched(good.deals[0].sealed, input));
      break;
    case 3:
      good.read_version(fuzz::patched(good.version, input));
      break;
    case 4:
      good.read_chain(fuzz::patched(good.key.bundle.encoded(), input));
      break;
    case 5:
      good.read_parts(fuzz::patched(good.parts.encoded(), input));
      break;
    case 6:
      good.read_plan(input);
      good.read_offer(input);
      good.read_deal(input);
      good.read_version(input);
      good.read_chain(input);
      good.read_parts(input);
      break;
    case 7:
      good.read_offer(fuzz::patched(good.offers[0].encode(), input));
      break;
  }
  return 0;
}
