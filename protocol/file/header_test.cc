#include "protocol/file/header.h"

#include <gtest/gtest.h>

#include "protocol/crypto/hash.h"
#include "protocol/file/header_parts.h"
#include "protocol/file/rewrap.h"
#include "protocol/threshold/partial.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr KeyId kKeyId = {0x6b, 0x65, 0x79};
constexpr std::string_view kPolicy = R"({"version":1})";

// A joint key whose secret the test knows: with t = 1, the only share is the key.
struct TestKey {
  explicit TestKey(SuiteId suite)
      : group(group_of(suite)),
        secret(Scalar::random(group.scalars(), system_random())),
        public_key(*PublicKey::make(group.generator_power_secret(secret))) {}

  std::pair<Header, Secret> header(std::string_view policy = kPolicy) const {
    const ByteView bytes = bytes_of(policy);
    return *Header::create(public_key, kKeyId, Bytes(bytes.begin(), bytes.end()), system_random());
  }
  Result<Element> decrypt(const Stanza& stanza) const {
    const IndexedPartial partial{1, group.power_secret(stanza.ciphertext.c1, secret)};
    return combine(stanza.ciphertext.c2, std::span(&partial, 1));
  }

  const Group& group;
  Scalar secret;
  PublicKey public_key;
};

class HeaderTest : public testing::TestWithParam<SuiteId> {
 protected:
  const TestKey key_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Suites, HeaderTest, testing::ValuesIn(kAllSuites),
                         [](const auto& suite) { return std::string(suite_name(suite.param)); });

Bytes copy(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST_P(HeaderTest, WrapsAFileKey) {
  const auto [made, file_key] = key_.header();
  const auto read = Header::parse(made.encoded());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(copy(read->encoded()), copy(made.encoded()));
  EXPECT_EQ(copy(read->core_bytes()), read->core().encode());
  EXPECT_EQ(read->core_hash(), sha256(read->core_bytes()));
  EXPECT_EQ(text_of(read->core().policy), kPolicy);
  EXPECT_EQ(read->core().suite, GetParam());

  const auto stanza = read->stanza_for(kKeyId);
  ASSERT_TRUE(stanza);
  const Digest label = stanza_label(read->core_hash(), kStanzaTdh2, kKeyId);
  EXPECT_TRUE(verify(key_.public_key, (*stanza)->ciphertext.capsule(), label));
  const auto m = key_.decrypt(**stanza);
  ASSERT_TRUE(m);
  const auto unlocked = read->unlock(*m);
  ASSERT_TRUE(unlocked);
  EXPECT_TRUE(equal_in_constant_time(*unlocked, file_key));
}

TEST_P(HeaderTest, IsRewrappedForAnotherKey) {
  const TestKey other(GetParam());
  const auto [made, file_key] = key_.header();
  const auto m = *key_.decrypt(made.stanzas().front());
  const KeyId other_id = {2};

  const auto replaced = rewrap(made, m, other.public_key, other_id, false, system_random());
  ASSERT_TRUE(replaced) << replaced.error().message();
  EXPECT_EQ(copy(replaced->core_bytes()), copy(made.core_bytes()));
  ASSERT_EQ(replaced->stanzas().size(), 1u);
  EXPECT_FALSE(replaced->stanza_for(kKeyId));
  const auto unlocked = replaced->unlock(*other.decrypt(replaced->stanzas().front()));
  ASSERT_TRUE(unlocked);
  EXPECT_TRUE(equal_in_constant_time(*unlocked, file_key));
  const Digest label = stanza_label(replaced->core_hash(), kStanzaTdh2, other_id);
  EXPECT_TRUE(verify(other.public_key, replaced->stanzas().front().ciphertext.capsule(), label));

  const auto added = rewrap(made, m, other.public_key, other_id, true, system_random());
  ASSERT_TRUE(added);
  ASSERT_EQ(added->stanzas().size(), 2u);
  EXPECT_EQ(added->stanzas().front().key_id, other_id);
  EXPECT_TRUE(added->unlock(*key_.decrypt(**added->stanza_for(kKeyId))));
  // The existing stanza for the key is kept.
  const auto again = rewrap(*added, m, other.public_key, other_id, true, system_random());
  ASSERT_TRUE(again);
  EXPECT_EQ(copy(again->encoded()), copy(added->encoded()));
}

TEST_P(HeaderTest, IsNotRewrappedForWhatDoesNotFit) {
  const TestKey other(GetParam());
  const auto [made, file_key] = key_.header();
  const auto m = *key_.decrypt(made.stanzas().front());
  const auto wrong = key_.group.random_message(system_random());
  EXPECT_EQ(rewrap(made, wrong, other.public_key, {2}, false, system_random()).error().code(), Code::altered);

  const TestKey foreign(GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256);
  EXPECT_EQ(rewrap(made, m, foreign.public_key, {2}, false, system_random()).error().code(), Code::conflict);

  Header full = *Header::parse(made.encoded());
  for (std::uint8_t id = 2; id <= 16; ++id)
    full = *rewrap(full, m, other.public_key, {id}, true, system_random());
  EXPECT_EQ(full.stanzas().size(), 16u);
  EXPECT_EQ(rewrap(full, m, other.public_key, {17}, true, system_random()).error().message(),
            "the file has 16 keys already");
  EXPECT_TRUE(rewrap(full, m, other.public_key, {17}, false, system_random()));
}

TEST_P(HeaderTest, LeavesTheBodyAlone) {
  const auto [made, file_key] = key_.header("");
  Bytes file = copy(made.encoded());
  file.insert(file.end(), 5000, 0xaa);
  const auto read = Header::parse(file);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->encoded().size(), made.encoded().size());
}

TEST_P(HeaderTest, RefusesEveryTruncation) {
  const auto [made, file_key] = key_.header();
  for (std::size_t size = 0; size < made.encoded().size(); ++size) {
    const auto read = Header::parse(made.encoded().first(size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code(), Code::malformed);
  }
}

// Whichever byte changes, the header is rejected when it is parsed, or when it is unlocked with the right m.
TEST_P(HeaderTest, RefusesEveryFlippedByte) {
  const auto [made, file_key] = key_.header();
  const auto m = key_.decrypt(made.stanzas().front());
  ASSERT_TRUE(m);
  const std::size_t step = GetParam() == SuiteId::p256 ? 1 : 13;
  for (std::size_t i = 0; i < made.encoded().size(); i += step) {
    for (const std::uint8_t flip : {std::uint8_t{0x01}, std::uint8_t{0x80}}) {
      Bytes other = copy(made.encoded());
      other[i] ^= flip;
      const auto read = Header::parse(other);
      if (!read) continue;
      const auto unlocked = read->unlock(*m);
      ASSERT_FALSE(unlocked) << "byte " << i;
      EXPECT_EQ(unlocked.error().code(), Code::altered);
    }
  }
}

// An agent receives only the core and the capsule. Neither can be moved to another file or key.
TEST_P(HeaderTest, BindsTheStanzaToCoreAndKey) {
  const auto [a, a_key] = key_.header();
  const auto [b, b_key] = key_.header();
  const Capsule capsule = a.stanzas().front().ciphertext.capsule();
  EXPECT_TRUE(verify(key_.public_key, capsule, stanza_label(a.core_hash(), kStanzaTdh2, kKeyId)));
  EXPECT_FALSE(verify(key_.public_key, capsule, stanza_label(b.core_hash(), kStanzaTdh2, kKeyId)));
  EXPECT_FALSE(verify(key_.public_key, capsule, stanza_label(a.core_hash(), 2, kKeyId)));
  EXPECT_FALSE(verify(key_.public_key, capsule, stanza_label(a.core_hash(), kStanzaTdh2, KeyId{})));

  Bytes core = copy(a.core_bytes());
  core.back() ^= 1;  // in the policy
  EXPECT_TRUE(Core::parse(core));
  EXPECT_FALSE(verify(key_.public_key, capsule, stanza_label(sha256(core), kStanzaTdh2, kKeyId)));
}

TEST_P(HeaderTest, RefusesTheMOfAnotherFile) {
  const auto [a, a_key] = key_.header();
  const auto [b, b_key] = key_.header();
  const auto m = key_.decrypt(b.stanzas().front());
  ASSERT_TRUE(m);
  EXPECT_FALSE(a.unlock(*m));
  EXPECT_FALSE(a.unlock(key_.group.identity()));
  const SuiteId other = GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256;
  EXPECT_FALSE(a.unlock(group_of(other).generator().base()));
}

TEST_P(HeaderTest, SaysThatAFileIsForAnotherKey) {
  const auto [made, file_key] = key_.header();
  const auto stanza = made.stanza_for(KeyId{});
  ASSERT_FALSE(stanza);
  EXPECT_EQ(stanza.error().code(), Code::not_found);
}

// Headers assembled by hand, in the default suite.
class HandmadeHeader : public testing::Test {
 protected:
  const TestKey key_{SuiteId::p256};
  const std::pair<Header, Secret> made_ = key_.header("");
  const Bytes encoded_ = copy(made_.first.encoded());
  const std::size_t core_size_ = made_.first.core_bytes().size();
  const Bytes stanza_{encoded_.begin() + static_cast<std::ptrdiff_t>(core_size_) + 1, encoded_.end() - 32};

  // The core, `count` as the number of stanzas, these stanzas, and room for the MAC.
  Bytes with_stanzas(std::uint8_t count, const std::vector<Bytes>& stanzas) const {
    Bytes header(encoded_.begin(), encoded_.begin() + static_cast<std::ptrdiff_t>(core_size_));
    header.push_back(count);
    for (const Bytes& s : stanzas) header.insert(header.end(), s.begin(), s.end());
    header.insert(header.end(), 32, 0);
    return header;
  }
  // The stanza with another key_id.
  Bytes stanza_for(std::uint8_t key) const {
    Bytes other = stanza_;
    other[4] = key;
    return other;
  }
  static std::string refusal(const Bytes& header) {
    const auto read = Header::parse(header);
    if (read) return "";
    EXPECT_EQ(read.error().code(), Code::malformed);
    return read.error().message();
  }
};

TEST_F(HandmadeHeader, CountsStanzas) {
  std::vector<Bytes> stanzas;
  EXPECT_EQ(refusal(with_stanzas(0, stanzas)), "header: not 1 to 16 stanzas");
  for (std::uint8_t i = 0; i < 16; ++i) stanzas.push_back(stanza_for(i));
  EXPECT_EQ(refusal(with_stanzas(16, stanzas)), "");
  stanzas.push_back(stanza_for(16));
  EXPECT_EQ(refusal(with_stanzas(17, stanzas)), "header: not 1 to 16 stanzas");
  EXPECT_EQ(refusal(with_stanzas(255, stanzas)), "header: not 1 to 16 stanzas");
}

TEST_F(HandmadeHeader, RefusesTwoStanzasForOneKey) {
  EXPECT_EQ(refusal(with_stanzas(2, {stanza_, stanza_})), "header: two stanzas for one key");
}

// FILE.md §4.1: additions by a later version must not break today's readers.
TEST_F(HandmadeHeader, IgnoresUnknownTypesBesideAKnownOne) {
  const Bytes newer = {0x00, 0x02, 0x00, 0x03, 'n', 'e', 'w'};
  const Bytes grease = {0x3a, 0x3a, 0x00, 0x00};
  const Bytes header = with_stanzas(4, {newer, stanza_, grease, grease});
  const auto read = Header::parse(header);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->stanzas().size(), 1u);
  ASSERT_EQ(read->unknown_stanzas().size(), 3u);
  EXPECT_EQ(read->unknown_stanzas()[0].type, 2);
  EXPECT_EQ(text_of(read->unknown_stanzas()[0].content), "new");
  EXPECT_EQ(read->unknown_stanzas()[1].type, 0x3a3a);
  EXPECT_EQ(copy(read->encoded()), header);
}

TEST_F(HandmadeHeader, RefusesUnknownTypesAlone) {
  EXPECT_EQ(refusal(with_stanzas(1, {{0x00, 0x02, 0x00, 0x00}})),
            "header: only stanzas of unknown types: it needs a newer program");
  EXPECT_EQ(refusal(with_stanzas(2, {stanza_, {0x00, 0x00, 0x00, 0x00}})), "header: a stanza of type 0");
  EXPECT_EQ(refusal(with_stanzas(2, {stanza_, {0x00, 0x02, 0x00, 0x60, 0x00}})),
            "header: cut in its stanzas");
}

TEST_F(HandmadeHeader, IsNotLongerThanAReaderLooks) {
  Bytes longest(4 + 0xffff);
  longest[1] = 2;
  longest[2] = longest[3] = 0xff;
  EXPECT_EQ(refusal(with_stanzas(2, {stanza_, longest})), "");
  EXPECT_EQ(refusal(with_stanzas(3, {stanza_, longest, longest})), "header: over 131072 bytes");
}

// The HMAC covers them: without the file key they cannot be added, dropped or changed. A rewrap, which has
// the key, keeps them.
TEST_F(HandmadeHeader, CoversAndKeepsUnknownStanzas) {
  const auto m = *key_.decrypt(made_.first.stanzas().front());
  const Bytes newer = {0x00, 0x02, 0x00, 0x03, 'n', 'e', 'w'};
  Bytes header = with_stanzas(2, {stanza_, newer});
  const Digest mac = header_mac(made_.second, ByteView(header).first(header.size() - 32));
  std::copy(mac.begin(), mac.end(), header.end() - 32);
  const Header read = *Header::parse(header);
  EXPECT_TRUE(read.unlock(m));
  for (const std::size_t at : {header.size() - 33, header.size() - 38, core_size_}) {
    Bytes changed = header;
    changed[at] ^= 3;  // a byte of its content, its type, the number of stanzas
    const auto reread = Header::parse(changed);
    EXPECT_TRUE(!reread || !reread->unlock(m)) << at;
  }

  const TestKey other(SuiteId::p256);
  const Header kept = *rewrap(read, m, other.public_key, {2}, true, system_random());
  ASSERT_EQ(kept.unknown_stanzas().size(), 1u);
  EXPECT_EQ(text_of(kept.unknown_stanzas().front().content), "new");
  EXPECT_TRUE(kept.unlock(m));
  EXPECT_TRUE(rewrap(read, m, other.public_key, {2}, false, system_random())->unknown_stanzas().empty());
}

TEST_F(HandmadeHeader, RefusesStanzasOfAnotherSize) {
  Bytes longer = stanza_;
  longer.push_back(0);
  ++longer[3];
  EXPECT_EQ(refusal(with_stanzas(1, {longer})), "header: a stanza has the wrong size");
  Bytes shorter = stanza_;
  shorter.pop_back();
  --shorter[3];
  EXPECT_EQ(refusal(with_stanzas(1, {shorter})), "header: a stanza has the wrong size");
}

TEST_F(HandmadeHeader, RefusesScalarsOverTheOrder) {
  Bytes other = stanza_;
  std::fill(other.end() - 32, other.end(), std::uint8_t{0xff});  // f
  EXPECT_NE(refusal(with_stanzas(1, {other})), "");
}

TEST_F(HandmadeHeader, RefusesOtherCores) {
  const auto core_with = [&](std::size_t at, std::uint8_t value) {
    Bytes header = encoded_;
    header[at] = value;
    return refusal(header);
  };
  EXPECT_EQ(core_with(3, '2'), "not an encrypted file");
  EXPECT_EQ(core_with(4, '\n'), "not an encrypted file");
  EXPECT_NE(core_with(9, 0x11), "");  // a suite that does not exist
  EXPECT_NE(core_with(9, 0x02), "");  // a suite that is not the stanza's
  EXPECT_EQ(core_with(10, 1), "header: unknown flags");
  EXPECT_EQ(core_with(11, 1), "header: unknown flags");
  EXPECT_EQ(core_with(45, 1), "header: policy is over 65535 bytes");
  Bytes core = copy(made_.first.core_bytes());
  EXPECT_TRUE(Core::parse(core));
  core.push_back(0);
  EXPECT_FALSE(Core::parse(core));
}

TEST_F(HandmadeHeader, HoldsALargePolicyAndNoLarger) {
  EXPECT_TRUE(Header::create(key_.public_key, kKeyId, Bytes(kMaxPolicySize, ' '), system_random()));
  EXPECT_FALSE(Header::create(key_.public_key, kKeyId, Bytes(kMaxPolicySize + 1, ' '), system_random()));
}

}  // namespace
}  // namespace coprotect::protocol
