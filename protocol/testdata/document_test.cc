// The test vectors in FILE.md. The document, our code and the oracle must agree on them.

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/body.h"
#include "protocol/file/header.h"
#include "protocol/testdata/document.h"
#include "protocol/threshold/partial.h"

namespace coprotect::protocol {
namespace {

using testdata::Block;

class FileDocument : public testing::TestWithParam<std::string> {
 protected:
  Bytes joined(std::initializer_list<std::string> names) const {
    Bytes all;
    for (const std::string& name : names) {
      const Bytes part = block_.hex(name);
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  Element element(const std::string& name) const { return *group_.parse(block_.hex(name)); }
  Scalar scalar(const std::string& name) const { return *Scalar::parse(group_.scalars(), block_.hex(name)); }
  Digest digest(const std::string& name) const {
    Digest out{};
    const Bytes bytes = block_.hex(name);
    EXPECT_EQ(bytes.size(), out.size());
    std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
    return out;
  }

  const Group& group_ = group_of(SuiteId::p256);
  const Block block_ = testdata::read_document("FILE.md", GetParam());
};
INSTANTIATE_TEST_SUITE_P(Vectors, FileDocument, testing::Values("file-p256", "file-grease-p256"),
                         [](const auto& name) { return name.param == "file-p256" ? "Plain" : "Grease"; });

TEST_P(FileDocument, IsOpened) {
  const bool greased = GetParam() != "file-p256";
  const auto header = Header::parse(joined({"CORE", "STANZAS", "HMAC", "BODY"}));
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(text_of(header->core().policy), text_of(block_.hex("policy")));
  EXPECT_EQ(Bytes(header->core().file_nonce.begin(), header->core().file_nonce.end()),
            block_.hex("file_nonce"));
  EXPECT_EQ(header->core_hash(), digest("SHA-256(CORE)"));
  EXPECT_EQ(header->unknown_stanzas().size(), greased ? 1u : 0u);
  if (greased) {
    EXPECT_EQ(header->unknown_stanzas().front().content, block_.hex("grease"));
  }

  const KeyId key_id = digest("key_id");
  const auto stanza = header->stanza_for(key_id);
  ASSERT_TRUE(stanza);
  const Ciphertext& c = (*stanza)->ciphertext;
  EXPECT_TRUE(c.c1 == element("c1") && c.u_bar == element("ubar") && c.c2 == element("c2"));
  EXPECT_TRUE(c.e == digest("e") && c.f == scalar("f"));
  const Scalar a0 = scalar("a_0");
  const PublicKey key = *PublicKey::make(element("h"));
  EXPECT_TRUE(group_.generator_power_secret(a0) == key.h() && key.g_bar() == element("gbar"));
  const Digest label = stanza_label(header->core_hash(), kStanzaTdh2, key_id);
  EXPECT_EQ(label, digest("L"));
  EXPECT_TRUE(verify(key, c.capsule(), label));
  // r, s and m make the stanza.
  const Scalar r = scalar("r");
  const Scalar s = scalar("s");
  EXPECT_TRUE(group_.generator_power_secret(r) == c.c1 && group_.power_secret(key.g_bar(), r) == c.u_bar);
  EXPECT_TRUE(group_.generator_power_secret(s) == element("w") &&
              group_.power_secret(key.g_bar(), s) == element("wbar"));
  EXPECT_TRUE(s + r * Scalar::reduce(group_.scalars(), c.e) == c.f);
  EXPECT_TRUE(group_.generator_power_secret(scalar("rho")) == element("m"));

  std::vector<IndexedPartial> partials = {{1, element("k_1")}, {2, element("k_2")}};
  EXPECT_TRUE(group_.power_secret(c.c1, a0 + scalar("a_1")) == partials.front().value);
  const auto m = combine(c.c2, partials);
  ASSERT_TRUE(m);
  EXPECT_TRUE(*m == element("m"));
  const auto file_key = header->unlock(*m);
  ASSERT_TRUE(file_key) << file_key.error().message();
  EXPECT_EQ(to_hex(file_key->reveal()), block_.text("FK"));
  EXPECT_EQ(to_hex(hkdf_sha256({}, file_key->reveal(), bytes_of("CPV1-HDR"), 32).reveal()),
            block_.text("HMAC key"));

  const Bytes body = block_.hex("BODY");
  const auto body_key = BodyKey::open(*file_key, header->core_hash(), ByteView(body).first(kBodyPrefixSize));
  ASSERT_TRUE(body_key);
  EXPECT_EQ(to_hex(body_key->prefix()), block_.text("salt") + block_.text("commitment"));
  Bytes plaintext(block_.hex("plaintext").size());
  EXPECT_TRUE(ChunkCipher(*body_key, ChunkCipher::Direction::open)
                  .open(0, ByteView(body).subspan(kBodyPrefixSize), plaintext));
  EXPECT_EQ(plaintext, block_.hex("plaintext"));
  const Bytes keys = joined({"body key", "base_nonce", "commitment"});
  Writer info;
  info.literal("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM").u8(0).bytes(block_.hex("salt"));
  info.literal("CPV1").bytes(header->core_hash());
  EXPECT_EQ(to_hex(hkdf_expand_sha512(file_key->reveal(), info.view(), 76).reveal()), to_hex(keys));
}

// FILE.md §10.3, row by row: whether a reader obtains the plaintext.
class FileRefusals : public testing::Test {
 protected:
  const Block block_ = testdata::read_document("FILE.md", "file-p256");
  Bytes part(const std::string& name) const { return block_.hex(name); }

  // Why `file` does not open with m. Empty if it opens.
  static std::string refusal(const Bytes& file, const Element& m, const PublicKey& key) {
    const auto header = Header::parse(file);
    if (!header) return header.error().message();
    const Stanza& stanza = header->stanzas().front();
    const Digest label = stanza_label(header->core_hash(), kStanzaTdh2, stanza.key_id);
    if (auto holds = verify(key, stanza.ciphertext.capsule(), label); !holds) return holds.error().message();
    const auto file_key = header->unlock(m);
    if (!file_key) return file_key.error().message();
    const ByteView body = ByteView(file).subspan(header->encoded().size());
    const auto size = plaintext_size(body.size());
    if (!size) return size.error().message();
    const auto body_key = BodyKey::open(*file_key, header->core_hash(), body.first(kBodyPrefixSize));
    if (!body_key) return body_key.error().message();
    Bytes plaintext(*size);
    const auto opened = ChunkCipher(*body_key, ChunkCipher::Direction::open)
                            .open(0, body.subspan(kBodyPrefixSize), plaintext);
    return opened ? "" : opened.error().message();
  }
};

TEST_F(FileRefusals, AreThoseOfTheTable) {
  const Group& group = group_of(SuiteId::p256);
  const Element m = *group.parse(part("m"));
  const PublicKey key = *PublicKey::make(*group.parse(part("h")));
  for (const auto& name : {"a_0",        "a_1",  "rho",    "r",         "s",        "key_id",
                           "file_nonce", "salt", "policy", "plaintext", "gbar",     "SHA-256(CORE)",
                           "L",          "c1",   "ubar",   "c2",        "w",        "wbar",
                           "e",          "f",    "FK",     "HMAC key",  "body key", "base_nonce",
                           "commitment", "k_1",  "k_2"})
    (void)part(name);
  const std::size_t core = part("CORE").size();
  const std::size_t stanzas = core + part("STANZAS").size();
  Bytes file = part("CORE");
  for (const auto& name : {"STANZAS", "HMAC", "BODY"}) {
    const Bytes more = part(name);
    file.insert(file.end(), more.begin(), more.end());
  }
  ASSERT_EQ(refusal(file, m, key), "");

  const auto set = [&](std::size_t at, std::uint8_t value) {
    Bytes changed = file;
    changed[at] = value;
    return refusal(changed, m, key);
  };
  const auto flip = [&](std::size_t at) { return set(at, file[at] ^ 1); };
  const std::string bad_proof = "ciphertext: its proof does not hold";
  EXPECT_EQ(set(3, 0x32), "not an encrypted file");
  Bytes changed = file;
  changed[8] = changed[9] = 0xff;
  EXPECT_NE(refusal(changed, m, key), "");
  EXPECT_EQ(set(11, 1), "header: unknown flags");
  EXPECT_EQ(flip(12), bad_proof);
  EXPECT_EQ(set(core - 2, '2'), bad_proof);
  EXPECT_EQ(set(core, 0), "header: not 1 to 16 stanzas");
  EXPECT_EQ(set(core, 17), "header: not 1 to 16 stanzas");
  EXPECT_EQ(set(core + 2, 0), "header: a stanza of type 0");
  EXPECT_EQ(set(core + 2, 2), "header: only stanzas of unknown types: it needs a newer program");
  EXPECT_NE(set(core + 5 + 32, 4), "");
  changed = file;
  std::fill_n(changed.begin() + static_cast<std::ptrdiff_t>(stanzas) - 32, 32, std::uint8_t{0xff});
  EXPECT_EQ(refusal(changed, m, key), "header: scalar: not less than the group's order");
  EXPECT_EQ(flip(stanzas - 33), bad_proof);
  EXPECT_EQ(flip(stanzas + 31), "header is altered");
  EXPECT_EQ(flip(stanzas + 32 + kBodyPrefixSize - 1), "body belongs to another header");
  EXPECT_EQ(flip(file.size() - 1), "body is altered in chunk 0");
  changed = file;
  changed.pop_back();
  EXPECT_EQ(refusal(changed, m, key), "body is altered in chunk 0");
  changed = file;
  changed.push_back(0);
  EXPECT_EQ(refusal(changed, m, key), "body is altered in chunk 0");
}

}  // namespace
}  // namespace coprotect::protocol
