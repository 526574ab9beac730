// The test vectors of FILE.md §10.4 to §10.8: a header for two keys, a body of several chunks, a file in a
// group of integers, and the check of answers.

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/body.h"
#include "protocol/file/header.h"
#include "protocol/testdata/document.h"
#include "protocol/testdata/fixed_random.h"
#include "protocol/testdata/oracle_read.h"
#include "protocol/threshold/batch.h"

namespace coprotect::protocol {
namespace {

Block file_vectors(const std::string& name) {
  return testdata::read_document("FILE.md", name);
}

Secret secret_of(const Block& block, const std::string& name) {
  return Secret::copy_of(block.hex(name));
}

Bytes concatenated(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// The body, opened chunk by chunk.
Result<Bytes> opened_body(const Secret& file_key, const Digest& core_hash, ByteView body) {
  const auto size = plaintext_size(body.size());
  if (!size) return size.error();
  const auto key = BodyKey::open(file_key, core_hash, body.first(kBodyPrefixSize));
  if (!key) return key.error();
  ChunkCipher cipher(*key, ChunkCipher::Direction::open);
  Bytes plaintext(*size);
  std::uint64_t index = 0;
  for (ByteView rest = body.subspan(kBodyPrefixSize); !rest.empty(); ++index) {
    const ByteView chunk = rest.first(std::min(rest.size(), kSealedChunkSize));
    const auto out = std::span(plaintext).subspan(index * kChunkSize, chunk.size() - 16);
    if (const auto opened = cipher.open(index, chunk, out); !opened) return opened.error();
    rest = rest.subspan(chunk.size());
  }
  return plaintext;
}

TEST(FileVectors, AHeaderForTwoKeysOpensWithEither) {
  const Block block = file_vectors("file-two-keys-p256");
  const Group& group = group_of(SuiteId::p256);
  const auto header =
      Header::parse(concatenated({block.hex("CORE"), block.hex("STANZAS"), block.hex("HMAC")}));
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(to_hex(header->core().file_nonce), block.text("file_nonce"));
  EXPECT_EQ(header->stanzas().size(), 2u);
  EXPECT_TRUE(header->unknown_stanzas().empty());
  const Element m = element_of(group, block, "m");
  EXPECT_TRUE(group.generator_power_secret(scalar_of(group, block, "rho")) == m);
  Bytes stanzas = {2};
  for (const std::string name : {"A", "B"}) {
    const Scalar key = scalar_of(group, block, "s_" + name);
    const PublicKey h = *PublicKey::make(element_of(group, block, "h " + name));
    EXPECT_TRUE(group.generator_power_secret(key) == h.h());
    const KeyId key_id = digest_of(block, "key_id " + name);
    const auto stanza = header->stanza_for(key_id);
    ASSERT_TRUE(stanza) << stanza.error().message();
    const Ciphertext& c = (*stanza)->ciphertext;
    const Digest label = stanza_label(header->core_hash(), kStanzaTdh2, key_id);
    EXPECT_EQ(label, digest_of(block, "L " + name));
    EXPECT_TRUE(verify(h, c.capsule(), label));
    const Scalar r = scalar_of(group, block, "r " + name);
    EXPECT_TRUE(group.generator_power_secret(r) == c.c1);
    EXPECT_TRUE(scalar_of(group, block, "s " + name) + r * Scalar::reduce(group.scalars(), c.e) == c.f);
    const Element opened = group.divide_secret(c.c2, group.power_secret(c.c1, key));
    EXPECT_TRUE(opened == m);
    const auto file_key = header->unlock(opened);
    ASSERT_TRUE(file_key) << file_key.error().message();
    EXPECT_EQ(to_hex(file_key->reveal()), block.text("FK"));
    Writer encoded;
    encoded.u16(kStanzaTdh2).lp(block.hex("content " + name));
    stanzas.insert(stanzas.end(), encoded.view().begin(), encoded.view().end());
  }
  EXPECT_EQ(stanzas, block.hex("STANZAS"));
}

class ChunksDocument : public testing::Test {
 protected:
  const Block block_ = file_vectors("body-chunks");
  const Secret file_key_ = secret_of(block_, "FK");
  const Digest core_hash_ = digest_of(block_, "SHA-256(CORE)");
  const BodyKey key_ =
      *BodyKey::open(file_key_, core_hash_, concatenated({block_.hex("salt"), block_.hex("commitment")}));

  static Bytes plaintext(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t n = 0; n < size; ++n) bytes[n] = static_cast<std::uint8_t>(n % 251);
    return bytes;
  }
  Bytes body(std::size_t size) const {
    const Bytes plain = plaintext(size);
    Bytes body(key_.prefix().begin(), key_.prefix().end());
    ChunkCipher cipher(key_, ChunkCipher::Direction::seal);
    for (std::uint64_t index = 0; index <= size / kChunkSize; ++index) {
      const ByteView rest = ByteView(plain).subspan(index * kChunkSize);
      const ByteView chunk = rest.first(std::min(rest.size(), kChunkSize));
      Bytes sealed(chunk.size() + 16);
      cipher.seal(index, chunk, sealed);
      body.insert(body.end(), sealed.begin(), sealed.end());
    }
    return body;
  }
};

TEST_F(ChunksDocument, AreThoseOfTheDocument) {
  Writer info;
  info.literal("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM").u8(0).bytes(block_.hex("salt"));
  info.literal("CPV1").bytes(core_hash_);
  EXPECT_EQ(to_hex(hkdf_expand_sha512(file_key_.reveal(), info.view(), 76).reveal()),
            block_.text("body key") + block_.text("base_nonce") + block_.text("commitment"));
  Bytes nonce = block_.hex("base_nonce");
  nonce.back() ^= 1;
  EXPECT_EQ(nonce, block_.hex("nonce of chunk 1"));
  nonce.back() ^= 1 ^ 2;
  EXPECT_EQ(nonce, block_.hex("nonce of chunk 2"));
  for (const std::size_t size : {16'383u, 16'384u, 32'773u}) {
    const Bytes sealed = body(size);
    EXPECT_EQ(sealed.size(), sealed_body_size(size));
    EXPECT_EQ(sha256(sealed), digest_of(block_, "SHA-256(BODY of " + std::to_string(size) + ")"));
    const auto opened = opened_body(file_key_, core_hash_, sealed);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(*opened, plaintext(size));
    if (size < kChunkSize) continue;
    const std::size_t last = kBodyPrefixSize + size / kChunkSize * kSealedChunkSize;
    EXPECT_EQ(to_hex(ByteView(sealed).subspan(last)), block_.text("last chunk of " + std::to_string(size)));
  }

  const Bytes whole = body(32'773);
  const auto at = [&](std::size_t chunk) {
    return whole.begin() + static_cast<std::ptrdiff_t>(kBodyPrefixSize + chunk * kSealedChunkSize);
  };
  Bytes exchanged = whole;
  std::swap_ranges(at(0) - whole.begin() + exchanged.begin(), at(1) - whole.begin() + exchanged.begin(),
                   at(1) - whole.begin() + exchanged.begin());
  EXPECT_EQ(opened_body(file_key_, core_hash_, exchanged).error().message(), "body is altered in chunk 0");
  const Bytes cut(whole.begin(), at(2));
  EXPECT_EQ(opened_body(file_key_, core_hash_, cut).error().code(), Code::altered);
  Bytes shorter(whole.begin(), at(1));
  shorter.insert(shorter.end(), at(2), whole.end());
  EXPECT_EQ(opened_body(file_key_, core_hash_, shorter).error().message(), "body is altered in chunk 1");
}

TEST_F(ChunksDocument, BelongToTheHeaderOfTheFirstFile) {
  const Block file = file_vectors("file-p256");
  EXPECT_EQ(block_.text("FK"), file.text("FK"));
  EXPECT_EQ(block_.text("SHA-256(CORE)"), file.text("SHA-256(CORE)"));
  EXPECT_NE(block_.text("salt"), file.text("salt"));
  file.all();
  block_.all();
}

TEST(FileVectors, AFileInAGroupOfIntegersIsOpened) {
  const Block block = file_vectors("file-ffdhe3072");
  const Group& group = group_of(SuiteId::ffdhe3072);
  const PublicKey key = *PublicKey::make(element_of(group, block, "h"));
  const Scalar a0 = scalar_of(group, block, "a_0");
  const Scalar share = a0 + scalar_of(group, block, "a_1");
  EXPECT_TRUE(group.generator_power_secret(a0) == key.h() && key.g_bar() == element_of(group, block, "gbar"));
  const KeyId key_id = digest_of(block, "key_id");
  Writer content;
  content.bytes(key_id);
  for (const char* const field : {"c1", "ubar", "c2", "e", "f"}) content.bytes(block.hex(field));
  Writer stanzas;
  stanzas.u8(1).u16(kStanzaTdh2).lp(content.view());
  EXPECT_EQ(sha256(stanzas.view()), digest_of(block, "SHA-256(STANZAS)"));
  const auto header = Header::parse(concatenated(
      {block.hex("CORE"), Bytes(stanzas.view().begin(), stanzas.view().end()), block.hex("HMAC")}));
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(to_hex(header->core().file_nonce), block.text("file_nonce"));
  const Ciphertext& c = header->stanzas().front().ciphertext;
  const Digest label = stanza_label(header->core_hash(), kStanzaTdh2, key_id);
  EXPECT_EQ(label, digest_of(block, "L"));
  EXPECT_TRUE(verify(key, c.capsule(), label));
  const Scalar r = scalar_of(group, block, "r");
  const Scalar s = scalar_of(group, block, "s");
  EXPECT_TRUE(group.generator_power_secret(r) == c.c1 && group.power_secret(key.g_bar(), r) == c.u_bar);
  EXPECT_EQ(sha256(group.generator_power_secret(s).encode()), digest_of(block, "SHA-256(w)"));
  EXPECT_EQ(sha256(group.power_secret(key.g_bar(), s).encode()), digest_of(block, "SHA-256(wbar)"));
  EXPECT_TRUE(s + r * Scalar::reduce(group.scalars(), c.e) == c.f);
  FixedRandom y(block.hex("y"));
  EXPECT_TRUE(group.random_message(y) == element_of(group, block, "m"));

  const Element k_1 = element_of(group, block, "k_1");
  EXPECT_TRUE(group.power_secret(c.c1, share) == k_1);
  const Element h_1 = element_of(group, block, "h_1");
  EXPECT_TRUE(group.generator_power_secret(share) == h_1);
  const Digest x = partial_context(SuiteId::ffdhe3072, key_id, 0, 1, digest_of(block, "request_hash"));
  EXPECT_EQ(x, digest_of(block, "X"));
  const Challenge challenge = digest_of(block, "c");
  EXPECT_TRUE(scalar_of(group, block, "z") + Scalar::reduce(group.scalars(), challenge) * share ==
              scalar_of(group, block, "kappa"));
  const std::vector<Element> bases = {c.c1};
  const PartialSet answer{{k_1}, {challenge, scalar_of(group, block, "z")}};
  EXPECT_TRUE(verify_partials(h_1, bases, answer, x));

  const std::vector<IndexedPartial> partials = {{1, k_1}, {2, element_of(group, block, "k_2")}};
  const auto m = combine(c.c2, partials);
  ASSERT_TRUE(m && *m == element_of(group, block, "m"));
  const auto file_key = header->unlock(*m);
  ASSERT_TRUE(file_key) << file_key.error().message();
  EXPECT_EQ(to_hex(file_key->reveal()), block.text("FK"));
  const Bytes body = block.hex("BODY");
  EXPECT_EQ(to_hex(ByteView(body).first(24)), block.text("salt"));
  EXPECT_EQ(*opened_body(*file_key, header->core_hash(), body), block.hex("plaintext"));
}

// The document's answer with one item or two.
class AnswerDocument : public testing::TestWithParam<std::string> {
 protected:
  bool batch() const { return GetParam() == "answers-p256"; }
  std::vector<Element> elements(std::initializer_list<const char*> names) const {
    std::vector<Element> all;
    for (const char* const name : names) all.push_back(element_of(group_, block_, name));
    return all;
  }
  Digest context(std::uint8_t index) const {
    const Bytes epoch = block_.hex("epoch");
    return partial_context(SuiteId::p256, digest_of(block_, "key_id"), epoch.back(), index,
                           digest_of(block_, "request_hash"));
  }
  PartialSet answer() const { return {values_, {digest_of(block_, "c"), scalar_of(group_, block_, "z")}}; }

  const Group& group_ = group_of(SuiteId::p256);
  const Block block_ = file_vectors(GetParam());
  const std::vector<Element> bases_ = batch() ? elements({"c1_0", "c1_1"}) : elements({"c1"});
  const std::vector<Element> values_ = batch() ? elements({"k_0", "k_1"}) : elements({"k_1"});
  const Element h_1_ = element_of(group_, block_, "h_1");
};
INSTANTIATE_TEST_SUITE_P(Vectors, AnswerDocument, testing::Values("answer-p256", "answers-p256"),
                         [](const auto& name) { return name.param == "answer-p256" ? "One" : "Two"; });

TEST_P(AnswerDocument, IsCheckedStepByStep) {
  const Scalar share = scalar_of(group_, block_, "s_1");
  EXPECT_TRUE(group_.generator_power_secret(share) == h_1_);
  for (std::size_t j = 0; j < bases_.size(); ++j)
    EXPECT_TRUE(group_.power_secret(bases_[j], share) == values_[j]);
  const Digest x = context(1);
  EXPECT_EQ(x, digest_of(block_, "X"));
  const Element a = element_of(group_, block_, "a");
  const Element b = element_of(group_, block_, "b");
  const Scalar kappa = scalar_of(group_, block_, "kappa");
  EXPECT_TRUE(group_.generator_power_secret(kappa) == a);
  Element base = bases_.front();
  Element value = values_.front();
  Digest bound = x;
  if (batch()) {
    base = element_of(group_, block_, "M");
    value = element_of(group_, block_, "Z");
    bound = tagged_hash("CPV1-DLEQ-SEED",
                        {x, h_1_.encode(), sha256(concatenated({bases_[0].encode(), bases_[1].encode()})),
                         sha256(concatenated({values_[0].encode(), values_[1].encode()}))});
    EXPECT_EQ(bound, digest_of(block_, "seed"));
    const std::vector<Bytes> weights = batch_weights(x, h_1_, bases_, values_);
    EXPECT_EQ(weights, (std::vector{block_.hex("d_0"), block_.hex("d_1")}));
    EXPECT_TRUE(group_.product_of_powers_public(bases_, weights) == base);
    EXPECT_TRUE(group_.product_of_powers_public(values_, weights) == value);
  }
  EXPECT_TRUE(group_.power_secret(base, kappa) == b);
  const Challenge c =
      tagged_hash(batch() ? "CPV1-DLEQ-BATCH" : "CPV1-DLEQ",
                  {bound, h_1_.encode(), base.encode(), value.encode(), a.encode(), b.encode()});
  EXPECT_EQ(c, digest_of(block_, "c"));
  EXPECT_TRUE(scalar_of(group_, block_, "z") + Scalar::reduce(group_.scalars(), c) * share == kappa);
  EXPECT_TRUE(verify_partials(h_1_, bases_, answer(), x));
}

TEST_P(AnswerDocument, IsRefusedIfAnythingIsAnother) {
  const auto refused = [&](const Element& h, const PartialSet& set, const Digest& x) {
    const auto held = verify_partials(h, bases_, set, x);
    return !held && held.error().code() == Code::bad_proof;
  };
  ASSERT_FALSE(refused(h_1_, answer(), context(1)));
  EXPECT_TRUE(refused(h_1_, answer(), context(2)));
  EXPECT_TRUE(refused(values_.front(), answer(), context(1)));
  PartialSet other = answer();
  other.values.front() = h_1_;
  EXPECT_TRUE(refused(h_1_, other, context(1)));
  if (batch()) {
    other = answer();
    std::swap(other.values.front(), other.values.back());
    EXPECT_TRUE(refused(h_1_, other, context(1)));
  }
  other = answer();
  other.proof.c.back() ^= 1;
  EXPECT_TRUE(refused(h_1_, other, context(1)));
  EXPECT_FALSE(Scalar::parse(group_.scalars(), Bytes(32, 0xff)));
  block_.all();
}

TEST(FileVectors, TheAnswerIsToTheStanzaOfTheFirstFile) {
  const Block answer = file_vectors("answer-p256");
  const Block file = file_vectors("file-p256");
  for (const char* const name : {"c1", "key_id", "k_1"}) EXPECT_EQ(answer.text(name), file.text(name));
  answer.all();
  file.all();
}

}  // namespace
}  // namespace coprotect::protocol
