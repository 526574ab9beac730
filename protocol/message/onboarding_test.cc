#include "protocol/message/onboarding.h"

#include <gtest/gtest.h>

#include "protocol/message/test_strict.h"

namespace coprotect::protocol {
namespace {

using test::expect_strict;

const InvitationId kInvited{1, 2, 3, 4, 5, 6, 7, 8};

class OnboardingTest : public testing::Test {
 protected:
  // No byte of a message with a MAC can change, and no other secret makes the same MAC.
  void expect_covered(MacTag tag, const Bytes& encoded) const {
    EXPECT_TRUE(verify_mac(secret, tag, encoded));
    EXPECT_FALSE(verify_mac(Secret(16), tag, encoded));
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      Bytes flipped = encoded;
      flipped[i] ^= 1;
      EXPECT_FALSE(verify_mac(secret, tag, flipped)) << i;
    }
    EXPECT_FALSE(verify_mac(secret, tag, ByteView(encoded).first(31)));
  }
  OpenMessage open() const {
    return {.invitation = kInvited,
            .tenant = "acme",
            .purpose = Purpose::envelope,
            .suite = SuiteId::p256,
            .key_id = {4},
            .newest_hash = {5},
            .nonce = {9},
            .mac = {}};
  }

  const Secret secret = Secret::copy_of(ByteArray<16>{1, 2, 3});
};

TEST_F(OnboardingTest, Open) {
  const Bytes encoded = open().encode(secret);
  expect_strict<OpenMessage>(encoded);
  expect_covered(MacTag::open, encoded);
  EXPECT_FALSE(verify_mac(secret, MacTag::parameters, encoded));
  const auto parsed = OpenMessage::parse(encoded);
  EXPECT_EQ(parsed->invitation, kInvited);
  EXPECT_EQ(parsed->tenant, "acme");
  EXPECT_EQ(parsed->purpose, Purpose::envelope);
  EXPECT_EQ(parsed->suite, SuiteId::p256);
  EXPECT_EQ(parsed->key_id, open().key_id);
  EXPECT_EQ(parsed->newest_hash, open().newest_hash);
  EXPECT_EQ(parsed->nonce, open().nonce);
  EXPECT_EQ(parsed->encode(secret), encoded);
}

TEST_F(OnboardingTest, OpenRefusesUnknownNames) {
  OpenMessage message = open();
  message.tenant = "Acme";
  EXPECT_FALSE(OpenMessage::parse(message.encode(secret)));
  message = open();
  message.purpose = static_cast<Purpose>(0);
  EXPECT_FALSE(OpenMessage::parse(message.encode(secret)));
  message = open();
  message.suite = static_cast<SuiteId>(3000);
  EXPECT_FALSE(OpenMessage::parse(message.encode(secret)));
  message = open();
  message.key_id = {};  // of no key, but after a version
  EXPECT_FALSE(OpenMessage::parse(message.encode(secret)));
  message.newest_hash = {};
  EXPECT_TRUE(OpenMessage::parse(message.encode(secret)));
}

TEST_F(OnboardingTest, OfferAnswersOneOpenMessage) {
  const HpkePrivateKey key = HpkePrivateKey::generate(system_random());
  const OfferMessage offer{.offer = {.key_id = {},
                                     .newest_hash = {},
                                     .nonce = {7},
                                     .ceremony_key = key.public_key(),
                                     .mode = KeeperMode::sealed,
                                     .boot_nonce = {8},
                                     .signature = {9},
                                     .proofs = {}},
                           .mac = {}};
  const Bytes asked = open().encode(secret);
  const Bytes encoded = offer.encode(secret, asked);
  expect_strict<OfferMessage>(encoded);
  const auto parsed = OfferMessage::parse(encoded);
  EXPECT_EQ(parsed->offer.encode(), offer.offer.encode());
  EXPECT_TRUE(verify_offer_mac(secret, encoded, asked));
  EXPECT_FALSE(verify_offer_mac(Secret(16), encoded, asked));
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    EXPECT_FALSE(verify_offer_mac(secret, flipped, asked)) << i;
  }
  OpenMessage another = open();
  another.nonce[0] ^= 1;
  EXPECT_FALSE(verify_offer_mac(secret, encoded, another.encode(secret)));
  EXPECT_FALSE(verify_offer_mac(secret, Bytes(31), asked));
}

TEST_F(OnboardingTest, ParametersMessage) {
  const ParametersMessage message{.invitation = kInvited, .parameters = {1, 2, 3}, .mac = {}};
  const Bytes encoded = message.encode(secret);
  expect_strict<ParametersMessage>(encoded);
  expect_covered(MacTag::parameters, encoded);
  const auto parsed = ParametersMessage::parse(encoded);
  EXPECT_EQ(parsed->invitation, kInvited);
  EXPECT_EQ(parsed->parameters, message.parameters);
}

TEST_F(OnboardingTest, Control) {
  ControlMessage message{
      .invitation = kInvited, .kind = ControlKind::abort, .sid = {5}, .nonce = {6}, .mac = {}};
  const Bytes encoded = message.encode(secret);
  expect_strict<ControlMessage>(encoded);
  expect_covered(MacTag::control, encoded);
  const auto parsed = ControlMessage::parse(encoded);
  EXPECT_EQ(parsed->kind, ControlKind::abort);
  EXPECT_EQ(parsed->sid, message.sid);
  EXPECT_EQ(parsed->nonce, message.nonce);
  message.kind = ControlKind::status;
  EXPECT_FALSE(ControlMessage::parse(message.encode(secret))) << "status names no ceremony";
  message.sid = {};
  EXPECT_TRUE(ControlMessage::parse(message.encode(secret)));
  message.kind = static_cast<ControlKind>(3);
  EXPECT_FALSE(ControlMessage::parse(message.encode(secret)));
}

TEST_F(OnboardingTest, StatusHasABundleIfActive) {
  StatusMessage message{.state = CeremonyState::active, .sid = {5}, .bundle = {1, 2}, .blob = {3}};
  expect_strict<StatusMessage>(message.encode());
  const auto parsed = StatusMessage::parse(message.encode());
  EXPECT_EQ(parsed->state, CeremonyState::active);
  EXPECT_EQ(parsed->sid, message.sid);
  EXPECT_EQ(parsed->bundle, message.bundle);
  EXPECT_EQ(parsed->blob, message.blob);
  message.state = CeremonyState::prepared;
  EXPECT_FALSE(StatusMessage::parse(message.encode()));
  message.blob.clear();
  EXPECT_TRUE(StatusMessage::parse(message.encode())) << "with the plan of a handover";
  message.state = CeremonyState::running;
  EXPECT_FALSE(StatusMessage::parse(message.encode()));
  message.bundle.clear();
  EXPECT_TRUE(StatusMessage::parse(message.encode()));
  message.state = CeremonyState::active;
  EXPECT_FALSE(StatusMessage::parse(message.encode()));
  message.state = static_cast<CeremonyState>(4);
  EXPECT_FALSE(StatusMessage::parse(message.encode()));
}

TEST_F(OnboardingTest, Messages) {
  const MessageList list{.messages = {{1}, {}, {2, 3}}};
  expect_strict<MessageList>(list.encode());
  EXPECT_EQ(MessageList::parse(list.encode())->messages, list.messages);
  expect_strict<MessageList>(MessageList{}.encode());
}

TEST_F(OnboardingTest, StoreBlob) {
  const StoreBlobMessage message{.sid = {5}, .blob = {1, 2}, .tool_message = {3}};
  expect_strict<StoreBlobMessage>(message.encode());
  const auto parsed = StoreBlobMessage::parse(message.encode());
  EXPECT_EQ(parsed->sid, message.sid);
  EXPECT_EQ(parsed->blob, message.blob);
  EXPECT_EQ(parsed->tool_message, message.tool_message);
}

}  // namespace
}  // namespace coprotect::protocol
