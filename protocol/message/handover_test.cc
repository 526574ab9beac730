#include "protocol/message/handover.h"

#include <gtest/gtest.h>

#include <set>

#include "protocol/base/test_must.h"
#include "protocol/message/test_strict.h"

namespace coprotect::protocol {
namespace {

using test::expect_strict;

const InvitationId kInvitation{1, 2, 3, 4, 5, 6, 7, 8};
// 33 bytes that are not a point: x = 1 is on no point.
const PublicKeyBytes kNoPoint = [] {
  PublicKeyBytes key{2};
  key.back() = 1;
  return key;
}();

// The same point for the same number.
PublicKeyBytes point(std::uint8_t number) {
  ByteArray<32> scalar{};
  scalar.back() = number;
  return must(SigningKey::from_scalar(scalar)).public_key().bytes();
}

// Parsed as strictly as the others, and encoded to the same bytes.
template <typename Message>
void expect_read_back(const Message& message) {
  const Bytes encoded = message.encode();
  expect_strict<Message>(encoded);
  EXPECT_EQ(must(Message::parse(encoded)).encode(), encoded);
}

class HandoverMessageTest : public testing::Test {
 protected:
  // No byte of a message with a MAC can change, and no other secret makes the same MAC.
  template <typename Verify>
  void expect_covered(Verify verify, const Bytes& encoded) const {
    EXPECT_TRUE(verify(secret, encoded));
    EXPECT_FALSE(verify(Secret(16), encoded));
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      Bytes flipped = encoded;
      flipped[i] ^= 1;
      EXPECT_FALSE(verify(secret, flipped)) << i;
    }
    EXPECT_FALSE(verify(secret, ByteView(encoded).first(31)));
  }
  static Layout layout() {
    return {.t = 2,
            .holders = {{"cloud", {1, 3}, point(7), point(2), "https://cloud.example:8443"},
                        {"recovery", {2}, point(8), std::nullopt, ""}}};
  }
  HandoverNotice notice() const {
    return {.what = {.layout = layout(), .recovery_key = key},
            .announcer = {9},
            .client = "coprotect:acme:recovery:safe",
            .not_before_ms = 77,
            .running_left_ms = 78,
            .vetoed = true};
  }

  HandoverOffer offer() const {
    return {.key_id = {1},
            .newest_hash = {2},
            .nonce = {3},
            .ceremony_key = key,
            .mode = KeeperMode::sealed,
            .boot_nonce = {4},
            .signature = {5},
            .proofs = {{.index = 1, .proof = {6, 7}}, {.index = 3, .proof = {}}}};
  }

  const Secret secret = Secret::copy_of(ByteArray<16>{1, 2, 3});
  const HpkePublicKey key = HpkePrivateKey::generate(system_random()).public_key();
};

TEST_F(HandoverMessageTest, Steps) {
  std::set<std::string_view> names;
  for (int step = 1; step <= 10; ++step) names.insert(step_name(static_cast<HandoverStep>(step)));
  EXPECT_EQ(names.size(), 10u);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(step_name(static_cast<HandoverStep>(0)), "unknown");
}

TEST_F(HandoverMessageTest, Layout) {
  expect_read_back(layout());
  EXPECT_EQ(must(Layout::parse(layout().encode())), layout());
  Layout other = layout();
  other.holders[0].name = "Cloud";
  EXPECT_FALSE(Layout::parse(other.encode()));
  other = layout();
  other.holders[0].url = "\n";
  EXPECT_FALSE(Layout::parse(other.encode()));
  other = layout();
  other.holders.resize(17, other.holders[1]);
  EXPECT_FALSE(Layout::parse(other.encode()));
  Bytes flag = layout().encode();
  flag.back() = 2;  // neither an agent nor not one
  EXPECT_FALSE(Layout::parse(flag));
  for (auto change :
       {+[](Layout& l) { l.t = 1; }, +[](Layout& l) { l.holders[0].indices = {1}; },
        +[](Layout& l) { l.holders[0].identity_key = point(3); },
        +[](Layout& l) { l.holders[1].organisation = point(3); }, +[](Layout& l) { l.holders[0].url += "1"; },
        +[](Layout& l) { l.holders.pop_back(); }}) {
    Layout changed = layout();
    change(changed);
    EXPECT_FALSE(changed == layout());
  }
}

// Agents record a layout and report it to people, so it must be one that a key's parameters can have.
TEST_F(HandoverMessageTest, LayoutThatNoParametersHave) {
  using Change = void (*)(Layout&);
  const auto add = [](Layout& l, std::vector<std::uint8_t> indices, std::uint8_t number) {
    l.holders.push_back({"agent" + std::to_string(number), std::move(indices), point(7), point(number),
                         "https://a.example:1"});
  };
  for (const auto& [why, change] : std::initializer_list<std::pair<const char*, Change>>{
           {"no threshold", [](Layout& l) { l.t = 0; }},
           {"a threshold above all indices", [](Layout& l) { l.t = 4; }},
           {"no holder", [](Layout& l) { l.holders.clear(); }},
           {"a holder without an index", [](Layout& l) { l.holders[0].indices = {}; }},
           {"index 0",
            [](Layout& l) {
              l.holders[0].indices = {0, 1};
            }},
           {"an index left out",
            [](Layout& l) {
              l.holders[0].indices = {1, 4};
            }},
           {"an index of two",
            [](Layout& l) {
              l.holders[0].indices = {1, 2};
            }},
           {"an index twice", [](Layout& l) { l.holders[0].indices = {1, 1, 3}; }},
           {"indices out of order", [](Layout& l) { l.holders[0].indices = {3, 1}; }},
           {"two of a name", [](Layout& l) { l.holders[1].name = "cloud"; }},
           {"an identity key off the curve", [](Layout& l) { l.holders[0].identity_key = kNoPoint; }},
           {"an agent's organisation off the curve", [](Layout& l) { l.holders[0].organisation = kNoPoint; }},
           {"a code's organisation off the curve", [](Layout& l) { l.holders[1].organisation = kNoPoint; }},
           {"two indices of the recovery party", [](Layout& l) {
              l.holders[0].indices = {1};
              l.holders[1].indices = {2, 3};
            }}}) {
    Layout changed = layout();
    change(changed);
    const auto refused = Layout::parse(changed.encode());
    ASSERT_FALSE(refused) << why;
    EXPECT_EQ(refused.error().code(), Code::malformed) << why;
  }
  Layout larger = layout();
  add(larger, {4}, 4);
  EXPECT_TRUE(Layout::parse(larger.encode()));
  larger.holders[2].identity_key = point(2);  // the first one's
  EXPECT_FALSE(Layout::parse(larger.encode()));
  larger.holders[2].identity_key.reset();  // a second recovery party
  EXPECT_FALSE(Layout::parse(larger.encode()));
  larger = layout();
  add(larger, {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 4);
  EXPECT_TRUE(Layout::parse(larger.encode()));
  larger.holders[2].indices.push_back(17);
  EXPECT_FALSE(Layout::parse(larger.encode()));
}

TEST_F(HandoverMessageTest, AnnouncementHasARecoveryKeyForARecoveryParty) {
  const Announcement with{.layout = layout(), .recovery_key = key};
  expect_read_back(with);
  Announcement without{.layout = layout(), .recovery_key = std::nullopt};
  EXPECT_FALSE(Announcement::parse(without.encode()));
  without.layout.holders[1] = {"company", {2}, point(8), point(9), "https://company.example:8443"};
  expect_read_back(without);
  without.recovery_key = key;
  EXPECT_FALSE(Announcement::parse(without.encode()));
}

TEST_F(HandoverMessageTest, Notice) {
  expect_read_back(notice());
  const auto parsed = must(HandoverNotice::parse(notice().encode()));
  EXPECT_EQ(parsed.what, notice().what);
  EXPECT_EQ(parsed.announcer, notice().announcer);
  EXPECT_EQ(parsed.client, "coprotect:acme:recovery:safe");
  EXPECT_EQ(parsed.not_before_ms, 77);
  EXPECT_EQ(parsed.running_left_ms, 78);
  EXPECT_TRUE(parsed.vetoed);
  Bytes flag = notice().encode();
  flag.back() = 2;
  EXPECT_FALSE(HandoverNotice::parse(flag));
  HandoverNotice of_no_key = notice();
  of_no_key.what.layout.t = 0;
  EXPECT_FALSE(HandoverNotice::parse(of_no_key.encode()));
  HandoverNotice off_the_curve = notice();
  off_the_curve.what.recovery_key->back() ^= 1;
  EXPECT_FALSE(HandoverNotice::parse(off_the_curve.encode()));
}

// A veto names what is announced and by whom, independent of when it may begin.
TEST_F(HandoverMessageTest, NoticeHash) {
  const Digest hash = notice().hash();
  HandoverNotice same = notice();
  same.not_before_ms = 1;
  same.running_left_ms = 1;
  same.vetoed = false;
  EXPECT_EQ(same.hash(), hash);
  for (auto change :
       {+[](HandoverNotice& n) { n.announcer = {1}; }, +[](HandoverNotice& n) { n.what.layout.t = 1; },
        +[](HandoverNotice& n) { n.what.recovery_key.reset(); }}) {
    HandoverNotice other = notice();
    change(other);
    EXPECT_NE(other.hash(), hash);
  }
}

TEST_F(HandoverMessageTest, Offer) {
  expect_read_back(offer());
  HandoverOffer changed = offer();
  changed.mode = static_cast<KeeperMode>(3);
  EXPECT_FALSE(HandoverOffer::parse(changed.encode()));
  changed.mode = KeeperMode::not_an_agent;  // nobody else offers
  EXPECT_FALSE(HandoverOffer::parse(changed.encode()));
  changed = offer();
  changed.ceremony_key = {4};  // not on the curve
  EXPECT_FALSE(HandoverOffer::parse(changed.encode()));
  changed = offer();
  changed.proofs = {{.index = 2, .proof = {1}}, {.index = 2, .proof = {2}}};  // not ascending
  EXPECT_FALSE(HandoverOffer::parse(changed.encode()));
  for (const std::uint8_t index : {std::uint8_t{0}, std::uint8_t{17}}) {
    changed.proofs = {{.index = index, .proof = {1}}};
    EXPECT_FALSE(HandoverOffer::parse(changed.encode()));
  }
  changed.proofs.clear();
  for (std::uint8_t i = 1; i <= 16; ++i) changed.proofs.push_back({.index = i, .proof = {}});
  expect_read_back(changed);
  Bytes many = changed.encode();
  many[many.size() - std::size_t{16} * 3 - 1] = 17;
  many.insert(many.end(), {17, 0, 0});
  EXPECT_FALSE(HandoverOffer::parse(many));
}

// Signature and proofs cover everything in an offer except themselves.
TEST_F(HandoverMessageTest, OfferHash) {
  const Bytes encoded = offer().encode();
  const std::size_t signed_size = 5 + 32 + 32 + 32 + 65 + 1 + 16;
  for (std::size_t at = 5; at < encoded.size(); ++at) {
    Bytes changed = encoded;
    changed[at] ^= 1;
    const auto parsed = HandoverOffer::parse(changed);
    if (!parsed) continue;
    EXPECT_EQ(parsed->hash() == offer().hash(), at >= signed_size) << at;
  }
}

TEST_F(HandoverMessageTest, DealRequest) {
  const DealRequest request{
      .plan = {1, 2, 3}, .offers = {offer(), offer()}, .consents = {{4}, {}}, .recovery_proof = {5}};
  expect_read_back(request);
  expect_read_back(DealRequest{.plan = {1}, .offers = {}, .consents = {}});
  const auto parsed = must(DealRequest::parse(request.encode()));
  EXPECT_EQ(parsed.consents, request.consents);
  Bytes offer_of_another_form = request.encode();
  offer_of_another_form[5 + 4 + 3 + 1 + 4] ^= 1;
  EXPECT_FALSE(DealRequest::parse(offer_of_another_form));
}

TEST_F(HandoverMessageTest, PrepareRequest) {
  expect_read_back(PrepareRequest{.deals = {{1}, {2, 3}}, .blob = {4}, .possession = {5}});
  expect_read_back(PrepareRequest{});
  PrepareRequest many;
  many.deals.resize(16);
  EXPECT_TRUE(PrepareRequest::parse(many.encode()));
  many.deals.resize(17);
  EXPECT_FALSE(PrepareRequest::parse(many.encode()));
}

TEST_F(HandoverMessageTest, RetireRequest) {
  expect_read_back(RetireRequest{.version = {1, 2}, .acknowledgements = {{point(2), {5}}, {point(3), {6}}}});
  RetireRequest many{.version = {}, .acknowledgements = {}};
  expect_read_back(many);
  many.acknowledgements = {{point(2), {5}}, {kNoPoint, {6}}};
  EXPECT_FALSE(RetireRequest::parse(many.encode()));
  many.acknowledgements.assign(16, {point(2), {5}});
  EXPECT_TRUE(RetireRequest::parse(many.encode()));
  many.acknowledgements.push_back({point(2), {5}});
  EXPECT_FALSE(RetireRequest::parse(many.encode()));
}

TEST_F(HandoverMessageTest, AbortRequest) {
  expect_read_back(AbortRequest{.plan = {1, 2}, .voids = {{point(2), {5}}}});
  AbortRequest many{.plan = {}, .voids = {}};
  expect_read_back(many);
  many.voids = {{kNoPoint, {5}}};
  EXPECT_FALSE(AbortRequest::parse(many.encode()));
  many.voids.assign(17, {point(2), {5}});
  EXPECT_FALSE(AbortRequest::parse(many.encode()));
}

TEST_F(HandoverMessageTest, Join) {
  const JoinMessage message{.invitation = kInvitation,
                            .bundle = {1},
                            .plan = {2, 3},
                            .deals = {{4}, {}},
                            .blob = {5},
                            .possession = {6},
                            .mac = {}};
  const Bytes encoded = message.encode(secret);
  expect_strict<JoinMessage>(encoded);
  expect_covered(verify_join_mac, encoded);
  const auto parsed = must(JoinMessage::parse(encoded));
  EXPECT_EQ(parsed.invitation, kInvitation);
  EXPECT_EQ(parsed.bundle, message.bundle);
  EXPECT_EQ(parsed.plan, message.plan);
  EXPECT_EQ(parsed.deals, message.deals);
  EXPECT_EQ(parsed.blob, message.blob);
  EXPECT_EQ(parsed.encode(secret), encoded);
}

TEST_F(HandoverMessageTest, Void) {
  const VoidMessage message{.invitation = kInvitation, .plan = {2, 3}, .mac = {}};
  const Bytes encoded = message.encode(secret);
  expect_strict<VoidMessage>(encoded);
  expect_covered(verify_void_mac, encoded);
  EXPECT_FALSE(verify_join_mac(secret, encoded));  // each kind has a MAC of its own
  EXPECT_EQ(must(VoidMessage::parse(encoded)).plan, message.plan);
  EXPECT_EQ(must(VoidMessage::parse(encoded)).invitation, kInvitation);
}

TEST_F(HandoverMessageTest, Status) {
  HandoverStatus status{.epoch = 3,
                        .decided = 5,
                        .unacknowledged = true,
                        .bundle = {1, 2},
                        .acknowledgements = {{point(5), {6}}},
                        .prepared = HandoverStatus::Prepared{{3}, {4}},
                        .announced = {notice(), notice()},
                        .condition = {.parts_verified_ms = 7,
                                      .code_opened_ms = 0,
                                      .recovery = "a",
                                      .contacts = "bc",
                                      .erasure_held = true,
                                      .erasure = "größer"}};
  expect_read_back(status);
  const auto parsed = must(HandoverStatus::parse(status.encode()));
  EXPECT_EQ(parsed.epoch, 3u);
  EXPECT_EQ(parsed.decided, 5u);
  EXPECT_TRUE(parsed.unacknowledged);
  EXPECT_EQ(parsed.bundle, status.bundle);
  EXPECT_EQ(parsed.prepared->transcript, status.prepared->transcript);
  EXPECT_EQ(parsed.prepared->confirmation, status.prepared->confirmation);
  ASSERT_EQ(parsed.announced.size(), 2u);
  EXPECT_EQ(parsed.announced[1].encode(), notice().encode());
  EXPECT_EQ(parsed.condition.parts_verified_ms, 7);
  EXPECT_EQ(parsed.condition.code_opened_ms, 0);
  EXPECT_EQ(parsed.condition.recovery, "a");
  EXPECT_EQ(parsed.condition.contacts, "bc");
  EXPECT_TRUE(parsed.condition.erasure_held);
  EXPECT_FALSE(parsed.condition.erased);
  EXPECT_EQ(parsed.condition.erasure, "größer");
  status.acknowledgements.front().party = kNoPoint;
  EXPECT_FALSE(HandoverStatus::parse(status.encode()));
  status.acknowledgements.front().party = point(5);
  status.condition.erasure_held = false;
  status.condition.erased = true;
  expect_read_back(status);
  EXPECT_TRUE(must(HandoverStatus::parse(status.encode())).condition.erased);
  EXPECT_FALSE(must(HandoverStatus::parse(status.encode())).condition.erasure_held);
  status.condition.parts_verified_ms.reset();
  expect_read_back(status);
  status.condition.code_opened_ms.reset();
  status.condition.recovery = std::string(kMaxConditionText, 'x');
  expect_read_back(status);
  EXPECT_FALSE(must(HandoverStatus::parse(status.encode())).condition.parts_verified_ms);
  status.prepared.reset();
  expect_read_back(status);
  status.announced.clear();
  status.unacknowledged = false;
  expect_read_back(status);
  Bytes flag = status.encode();
  flag[13] = 2;
  EXPECT_FALSE(HandoverStatus::parse(flag));
  const auto refused = [&](const auto& change) {
    HandoverStatus other = status;
    change(other.condition);
    return !HandoverStatus::parse(other.encode());
  };
  EXPECT_TRUE(refused([](auto& c) { c.recovery.push_back('x'); }));  // too long by one
  EXPECT_TRUE(refused([](auto& c) { c.contacts = "\xff"; }));
  EXPECT_TRUE(refused([](auto& c) { c.erasure = std::string(kMaxConditionText + 1, 'x'); }));
  EXPECT_TRUE(refused([](auto& c) { c.parts_verified_ms = -1; }));
  status.condition = {};
  const Bytes bare = status.encode();
  const auto flag_at = [&](std::size_t before_end, std::uint8_t value = 2) {
    Bytes changed = bare;
    changed[changed.size() - before_end] = value;
    return !HandoverStatus::parse(changed);
  };
  EXPECT_TRUE(flag_at(9));     // parts verified
  EXPECT_TRUE(flag_at(8));     // code opened
  EXPECT_TRUE(flag_at(3, 3));  // erasure
  status.announced.resize(kMaxNotices + 1, notice());
  EXPECT_FALSE(HandoverStatus::parse(status.encode()));
}

TEST_F(HandoverMessageTest, ASignatureIsAnAnswersOnlyContent) {
  const Signature signature{1, 2};
  EXPECT_EQ(must(parse_signature(encode_signature(signature))), signature);
  EXPECT_FALSE(parse_signature(Bytes(63)));
  EXPECT_FALSE(parse_signature(Bytes(65)));
}

}  // namespace
}  // namespace coprotect::protocol
