#include "protocol/message/peer_state.h"

#include <gtest/gtest.h>

#include <functional>

#include "protocol/base/random.h"

namespace coprotect::protocol {
namespace {

const SigningKey& cloud() {
  static const SigningKey key = SigningKey::generate(system_random());
  return key;
}
const SigningKey& company() {
  static const SigningKey key = SigningKey::generate(system_random());
  return key;
}

PeerQuestion question() {
  return {.asker = cloud().public_key().bytes(),
          .asked = company().public_key().bytes(),
          .nonce = {1},
          .known = {2},
          .state = {.head = LogHead::sign(7, 1'800'000'000'000, Digest{3}, cloud()),
                    .epochs = {{KeyId{1}, 0}, {KeyId{2}, 5}},
                    .said = {{KeyId{1}, {0, 0}}, {KeyId{2}, {6, 7}}},
                    .serials = {{{ListKind::clients, "acme"}, 3}, {{ListKind::clients, "other"}, 9}}}};
}

PeerAnswer answer() {
  return {.answerer = company().public_key().bytes(),
          .question = {4},
          .remembered = question().sign(cloud()),
          .lists = {{.kind = ListKind::clients, .list = {5, 6}}}};
}

TEST(PeerQuestion, IsReadBackAsItWas) {
  const Bytes encoded = question().sign(cloud());
  const auto parsed = PeerQuestion::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->asker, question().asker);
  EXPECT_EQ(parsed->asked, question().asked);
  EXPECT_EQ(parsed->known, Digest{2});
  EXPECT_EQ(parsed->state.head->seq, 7u);
  EXPECT_EQ(parsed->state.epochs, question().state.epochs);
  EXPECT_EQ(parsed->state.said, question().state.said);
  EXPECT_EQ(parsed->state.serials, question().state.serials);

  PeerQuestion first = question();
  first.state = {};
  const auto empty = PeerQuestion::parse(first.sign(cloud()));
  ASSERT_TRUE(empty);
  EXPECT_FALSE(empty->state.head);
}

TEST(PeerQuestion, IsRefusedIfCutOrChanged) {
  Bytes encoded = question().sign(cloud());
  for (std::size_t n = 0; n < encoded.size(); ++n) {
    EXPECT_FALSE(PeerQuestion::parse(ByteView(encoded).first(n))) << n;
    Bytes changed = encoded;
    changed[n] ^= 1;
    EXPECT_FALSE(PeerQuestion::parse(changed)) << n;
  }
  encoded.push_back(0);
  EXPECT_FALSE(PeerQuestion::parse(encoded));
}

// A valid signature over malformed content.
TEST(PeerQuestion, HoldsNoHeadOfAnother) {
  PeerQuestion foreign = question();
  foreign.state.head = LogHead::sign(7, 1, Digest{3}, company());
  const auto refused = PeerQuestion::parse(foreign.sign(cloud()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unauthenticated);
  EXPECT_FALSE(PeerQuestion::parse(question().sign(company())));  // in the name of another
}

TEST(PeerQuestion, RefusesFieldsThatAreNotOfTheirForm) {
  const auto refused = [](const std::function<void(PeerQuestion&)>& change) {
    PeerQuestion changed = question();
    change(changed);
    EXPECT_FALSE(PeerQuestion::parse(changed.sign(cloud())));
  };
  refused([](PeerQuestion& q) { q.state.serials = {{{ListKind::clients, "Acme"}, 1}}; });
  refused([](PeerQuestion& q) { q.state.serials = {{{static_cast<ListKind>(9), "acme"}, 1}}; });
  refused([](PeerQuestion& q) { q.asker.fill(0); });
  refused([](PeerQuestion& q) { q.asked.fill(0); });
}

// If both are wrong, the form is reported first.
TEST(PeerQuestion, IsMalformedIfAKeyIsNoPoint) {
  for (PublicKeyBytes PeerQuestion::*key : {&PeerQuestion::asker, &PeerQuestion::asked}) {
    PeerQuestion changed = question();
    changed.*key = PublicKeyBytes{2};
    (changed.*key).back() = 1;  // the abscissa of no point
    const auto refused = PeerQuestion::parse(changed.sign(cloud()));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::malformed) << refused.error().message();
  }
}

TEST(PeerAnswer, IsReadBackAsItWas) {
  const auto parsed = PeerAnswer::parse(answer().sign(company()));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->answerer, answer().answerer);
  EXPECT_EQ(parsed->question, Digest{4});
  EXPECT_TRUE(PeerQuestion::parse(parsed->remembered));
  ASSERT_EQ(parsed->lists.size(), 1u);
  EXPECT_EQ(parsed->lists[0].list, (Bytes{5, 6}));
}

TEST(PeerAnswer, IsRefusedIfCutOrChanged) {
  Bytes encoded = answer().sign(company());
  for (std::size_t n = 0; n < encoded.size(); ++n) {
    EXPECT_FALSE(PeerAnswer::parse(ByteView(encoded).first(n))) << n;
    Bytes changed = encoded;
    changed[n] ^= 1;
    EXPECT_FALSE(PeerAnswer::parse(changed)) << n;
  }
  encoded.push_back(0);
  EXPECT_FALSE(PeerAnswer::parse(encoded));
  EXPECT_FALSE(PeerAnswer::parse(answer().sign(cloud())));
  PeerAnswer unknown = answer();
  unknown.lists[0].kind = static_cast<ListKind>(9);
  EXPECT_FALSE(PeerAnswer::parse(unknown.sign(company())));
}

}  // namespace
}  // namespace coprotect::protocol
