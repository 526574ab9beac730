#include "protocol/message/reply.h"

#include <gtest/gtest.h>

#include "protocol/base/secret_writer.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/group/test_suites.h"

namespace coprotect::protocol {
namespace {

class PartialReplyTest : public testing::TestWithParam<SuiteId> {
 protected:
  // A reply for the index with one done item per `true`.
  PartialReply make(std::uint8_t index, const std::vector<bool>& done) const {
    PartialReply reply{.index = index, .epoch = 0, .items = {}, .proof = std::nullopt};
    std::vector<Element> bases;
    for (const bool one : done) {
      if (one) bases.push_back(group.random_message(system_random()));
    }
    std::vector<Element> values;
    if (!bases.empty()) {
      PartialSet set =
          compute_partials(share, group.generator_power_secret(share), bases, {}, system_random());
      reply.proof = std::move(set.proof);
      values = std::move(set.values);
    }
    std::size_t next = 0;
    for (const bool one : done) {
      if (one) {
        reply.items.push_back({.status = ItemStatus::done, .value = values[next++], .detail = {}});
      } else {
        reply.items.push_back(
            {.status = ItemStatus::denied_by_file, .value = std::nullopt, .detail = "not you"});
      }
    }
    return reply;
  }
  std::vector<PartialReply> parse(const Secret& encoded) const {
    return must(parse_partial_replies(encoded.reveal(), group));
  }

  const Group& group = group_of(GetParam());
  const Scalar share = Scalar::random(group.scalars(), system_random());
};
INSTANTIATE_TEST_SUITE_P(Suites, PartialReplyTest, test::tested_suites(), test::suite_label);

TEST_P(PartialReplyTest, IsReadBackAsItWas) {
  std::vector<PartialReply> replies;
  replies.push_back(make(2, {true, false, true}));
  replies.push_back(make(5, {false, false, false}));
  const Secret encoded = encode_partial_replies(replies);
  const auto parsed = parse(encoded);
  ASSERT_EQ(parsed.size(), 2u);
  EXPECT_EQ(parsed[0].index, 2);
  EXPECT_EQ(parsed[1].index, 5);
  ASSERT_EQ(parsed[0].items.size(), 3u);
  EXPECT_EQ(*parsed[0].items[0].value, *replies[0].items[0].value);
  EXPECT_EQ(parsed[0].items[1].status, ItemStatus::denied_by_file);
  EXPECT_EQ(parsed[0].items[1].detail, "not you");
  ASSERT_TRUE(parsed[0].proof);
  EXPECT_EQ(parsed[0].proof->c, replies[0].proof->c);
  EXPECT_EQ(parsed[0].proof->z, replies[0].proof->z);
  EXPECT_FALSE(parsed[1].proof);
  EXPECT_TRUE(equal_in_constant_time(encode_partial_replies(parsed), encoded));
}

TEST_P(PartialReplyTest, EveryOtherLengthIsRefused) {
  const Secret encoded = make(1, {true, false}).encode();
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    EXPECT_FALSE(parse_partial_replies(encoded.reveal().first(i), group)) << i;
  }
  SecretWriter longer;
  longer.bytes(encoded.reveal()).u8(0);
  EXPECT_FALSE(parse_partial_replies(longer.reveal(), group));
}

TEST_P(PartialReplyTest, RefusesWhatNoPartyWouldSay) {
  const auto expect_refused = [&](const std::vector<PartialReply>& replies, const std::string& cause) {
    const Secret encoded = encode_partial_replies(replies);
    const auto parsed = parse_partial_replies(encoded.reveal(), group);
    ASSERT_FALSE(parsed) << cause;
    EXPECT_EQ(parsed.error().message(), "partial decryptions: " + cause);
  };
  const auto pair = [&](PartialReply a, PartialReply b) {
    std::vector<PartialReply> replies;
    replies.push_back(std::move(a));
    replies.push_back(std::move(b));
    return replies;
  };
  expect_refused(pair(make(1, {true}), make(1, {true})), "an index is repeated");
  expect_refused(pair(make(1, {true}), make(2, {true, true})), "indices differ in their number of items");
  expect_refused(pair(make(1, {true}), make(0, {true})), "index or count is out of range");
  expect_refused(pair(make(1, {true}), make(17, {true})), "index or count is out of range");
  expect_refused(pair(make(1, {}), make(2, {})), "index or count is out of range");
  PartialReply unknown = make(1, {false});
  unknown.items[0].status = static_cast<ItemStatus>(5);
  expect_refused(pair(std::move(unknown), make(2, {true})), "unknown status");
  PartialReply not_text = make(1, {false});
  not_text.items[0].detail = "\xff";
  expect_refused(pair(std::move(not_text), make(2, {true})), "cut off, or a detail is not text");
}

TEST_P(PartialReplyTest, ValuesAreMembersAndTheResponseIsCanonical) {
  const Secret encoded = make(1, {true}).encode();
  const auto expect_refused = [&](std::size_t at, ByteView bytes) {
    Secret changed = encoded.clone();
    std::ranges::copy(bytes, changed.fill().begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_FALSE(parse_partial_replies(changed.reveal(), group)) << at;
  };
  expect_refused(8, Bytes(group.element_size(), 0xff));
  expect_refused(8, Bytes(group.element_size()));
  expect_refused(encoded.size() - group.scalar_size(), group.scalars().modulus());
}

class SealedReplyTest : public testing::Test {
 protected:
  // The content of a hand-made reply: "answer …", "refused: code: detail", or why it does not open, with the
  // code if that is not bad-proof.
  std::string opened(const SealedReply& sealed) const { return opened(sealed, reply_key, request_hash); }
  std::string opened(const SealedReply& sealed, const HpkePrivateKey& key, const Digest& hash) const {
    const auto content = sealed.open(identity.public_key(), key, hash);
    if (!content) {
      const Code code = content.error().code();
      return (code == Code::bad_proof ? "" : std::string(code_name(code)) + ": ") + content.error().message();
    }
    if (const auto* const answer = std::get_if<Secret>(&*content))
      return "answer " + std::string(text_of(answer->reveal()));
    const auto& said = std::get<Refusal>(*content);
    return "refused: " + std::string(code_name(said.code)) + ": " + said.detail;
  }
  // Sealed to the client by a party that need not know the identity key.
  SealedReply sealed_by_hand(ByteView plaintext) const {
    Writer info;
    info.literal("CPV1-REPLY").bytes(request_hash);
    const auto& party = identity.public_key().bytes();
    return {party, must(hpke_seal(reply_key.public_key(), info.view(), party, plaintext, system_random()))};
  }
  Bytes signed_by(const SigningKey& key, std::string_view plaintext, const Digest& hash) const {
    Writer w;
    w.literal(plaintext).bytes(key.sign(tagged_hash("CPV1-REPLY", {hash, sha256(bytes_of(plaintext))})));
    return std::move(w).take();
  }

  const HpkePrivateKey reply_key = HpkePrivateKey::generate(system_random());
  const SigningKey identity = SigningKey::generate(system_random());
  const Digest request_hash{1};
  const Refusal refusal{.code = Code::denied, .detail = "not you", .request_id = {7}};
  const SealedReply reply = must(SealedReply::answer(identity, bytes_of("partials"), reply_key.public_key(),
                                                     request_hash, system_random()));
  const SealedReply refused =
      must(SealedReply::refuse(identity, refusal, reply_key.public_key(), request_hash, system_random()));
};

TEST_F(SealedReplyTest, OpensForItsRequest) {
  const auto parsed = SealedReply::parse(reply.encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->party, identity.public_key().bytes());
  EXPECT_EQ(opened(*parsed), "answer partials");
  EXPECT_EQ(opened(refused), "refused: denied: not you");
}

TEST_F(SealedReplyTest, DoesNotOpenForAnotherRequestPartyOrKey) {
  for (const SealedReply& one : {reply, refused}) {
    EXPECT_EQ(opened(one, reply_key, Digest{2}), "reply: it was not sealed for this request");
    EXPECT_EQ(opened(one, HpkePrivateKey::generate(system_random()), request_hash),
              "reply: it was not sealed for this request");
    SealedReply renamed = one;
    renamed.party = SigningKey::generate(system_random()).public_key().bytes();
    EXPECT_EQ(opened(renamed), "reply: it is in another party's name");
  }
}

// An attacker who sees a request can seal to its reply key, in any party's name. Only the signature shows who
// answers.
TEST_F(SealedReplyTest, NobodyElseCanAnswerOrRefuse) {
  using namespace std::string_literals;
  const SigningKey stranger = SigningKey::generate(system_random());
  const std::string answer = "\0partials"s;
  const std::string refusing = "\1" + std::string(text_of(refusal.encode()));
  for (const std::string& plaintext : {answer, refusing}) {
    EXPECT_NE(opened(sealed_by_hand(signed_by(identity, plaintext, request_hash)))
                  .find(plaintext == answer ? "answer partials" : "refused: denied"),
              std::string::npos);
    EXPECT_EQ(opened(sealed_by_hand(signed_by(stranger, plaintext, request_hash))),
              "reply: the party did not sign it");
    // The party's own answer to another request.
    EXPECT_EQ(opened(sealed_by_hand(signed_by(identity, plaintext, Digest{2}))),
              "reply: the party did not sign it");
    // Without a signature. No released version sent such replies.
    EXPECT_NE(opened(sealed_by_hand(bytes_of(plaintext))).find("reply: "), std::string::npos);
  }
}

TEST_F(SealedReplyTest, HasOneForm) {
  using namespace std::string_literals;
  const std::string refusing = "\1" + std::string(text_of(refusal.encode()));
  for (const std::string& plaintext : {refusing + "x", refusing.substr(0, refusing.size() - 1), "\1"s})
    EXPECT_EQ(opened(sealed_by_hand(signed_by(identity, plaintext, request_hash))),
              "malformed: reply: its refusal is malformed");
  EXPECT_EQ(opened(sealed_by_hand(signed_by(identity, "\2partials", request_hash))),
            "malformed: reply: it is neither an answer nor a refusal");
  EXPECT_EQ(opened(sealed_by_hand(Bytes(64))), "reply: it is too short for a signature");
}

TEST_F(SealedReplyTest, EveryFlippedByteAndEveryOtherLengthIsRefused) {
  Bytes encoded = reply.encode();
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    const auto parsed = SealedReply::parse(flipped);
    EXPECT_TRUE(!parsed || !parsed->open(identity.public_key(), reply_key, request_hash)) << i;
    EXPECT_FALSE(SealedReply::parse(ByteView(encoded).first(i))) << i;
  }
  encoded.push_back(0);
  EXPECT_FALSE(SealedReply::parse(encoded));
}

TEST_F(SealedReplyTest, IsOfAPartyWithAKeyOnTheCurve) {
  SealedReply of_nobody = reply;
  of_nobody.party = {2};
  of_nobody.party.back() = 1;  // the abscissa of no point
  const auto parsed = SealedReply::parse(of_nobody.encode());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::malformed);
}

TEST_F(SealedReplyTest, NeedsAKeyOnTheCurve) {
  HpkePublicKey off_curve = reply_key.public_key();
  off_curve.back() ^= 1;
  EXPECT_EQ(SealedReply::answer(identity, {}, off_curve, request_hash, system_random()).error().code(),
            Code::malformed);
}

TEST(ItemStatus, HasAName) {
  EXPECT_EQ(item_status_name(ItemStatus::done), "done");
  EXPECT_EQ(item_status_name(ItemStatus::bad_proof), "proof of the ciphertext does not hold");
}

}  // namespace
}  // namespace coprotect::protocol
