#include "protocol/file/body.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kSizes[] = {
    0, 1, kChunkSize - 1, kChunkSize, kChunkSize + 1, 2 * kChunkSize, 3 * kChunkSize + 77};

Secret file_key(std::uint8_t of) {
  Secret key(32);
  std::fill(key.fill().begin(), key.fill().end(), of);
  return key;
}

Bytes message(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return bytes;
}

Bytes seal(const BodyKey& key, ByteView plaintext) {
  Bytes body(sealed_body_size(plaintext.size()));
  std::copy(key.prefix().begin(), key.prefix().end(), body.begin());
  ChunkCipher cipher(key, ChunkCipher::Direction::seal);
  for (std::uint64_t i = 0; i <= plaintext.size() / kChunkSize; ++i) {
    const ByteView in =
        plaintext.subspan(i * kChunkSize, std::min(kChunkSize, plaintext.size() - i * kChunkSize));
    cipher.seal(i, in, std::span(body).subspan(kBodyPrefixSize + i * kSealedChunkSize, in.size() + 16));
  }
  return body;
}

Result<Bytes> open_chunks(const BodyKey& key, ByteView body) {
  const auto size = plaintext_size(body.size());
  if (!size) return size.error();
  Bytes plaintext(*size);
  ChunkCipher cipher(key, ChunkCipher::Direction::open);
  for (std::uint64_t i = 0; i <= *size / kChunkSize; ++i) {
    const std::span<std::uint8_t> out = std::span(plaintext).subspan(
        i * kChunkSize, std::min<std::uint64_t>(kChunkSize, *size - i * kChunkSize));
    const auto opened =
        cipher.open(i, body.subspan(kBodyPrefixSize + i * kSealedChunkSize, out.size() + 16), out);
    if (!opened) return opened.error();
  }
  return plaintext;
}

Result<Bytes> open(const Secret& key, const Digest& core_hash, ByteView body) {
  const auto opened = BodyKey::open(key, core_hash, body.first(std::min(body.size(), kBodyPrefixSize)));
  if (!opened) return opened.error();
  return open_chunks(*opened, body);
}

bool is_altered(const Result<Bytes>& result) {
  return !result && result.error().code() == Code::altered;
}

TEST(Body, MatchesC2spVectors) {
  for (const testdata::Block& block : testdata::read_vectors("chunked_encryption.vec")) {
    const Bytes prefix = block.hex("Prefix");
    const BodyKey key = BodyKey::derive(block.hex("Key"), ByteView(prefix).first(24), {});
    EXPECT_EQ(Bytes(key.prefix().begin(), key.prefix().end()), prefix) << block.where();
    Bytes body = prefix;
    body.resize(body.size() + block.number("Zeros"), 0);
    const Bytes rest = block.hex("Rest");
    body.insert(body.end(), rest.begin(), rest.end());

    const auto plaintext = open_chunks(key, body);
    ASSERT_TRUE(plaintext) << block.where();
    EXPECT_EQ(plaintext->size(), block.number("MessageSize"));
    Bytes digest(64);
    ASSERT_EQ(EVP_Digest(plaintext->data(), plaintext->size(), digest.data(), nullptr, EVP_sha512(), nullptr),
              1);
    EXPECT_EQ(digest, block.hex("MessageSha512")) << block.where();
    EXPECT_EQ(seal(key, *plaintext), body) << block.where();
  }
}

TEST(Body, OpensWhatItSealed) {
  for (const std::size_t size : kSizes) {
    const Bytes plaintext = message(size);
    const Bytes body = seal(BodyKey::create(file_key(1), Digest{2}, system_random()), plaintext);
    const auto opened = open(file_key(1), Digest{2}, body);
    ASSERT_TRUE(opened) << size;
    EXPECT_EQ(*opened, plaintext) << size;
  }
}

TEST(Body, DrawsASaltOfItsOwn) {
  const Bytes plaintext = message(100);
  EXPECT_NE(seal(BodyKey::create(file_key(1), Digest{2}, system_random()), plaintext),
            seal(BodyKey::create(file_key(1), Digest{2}, system_random()), plaintext));
}

TEST(Body, SizesAgree) {
  for (const std::size_t size : kSizes) {
    const auto back = plaintext_size(sealed_body_size(size));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, size);
  }
  for (std::uint64_t cut = 0; cut < kBodyPrefixSize + 16; ++cut) EXPECT_FALSE(plaintext_size(cut)) << cut;
  for (std::uint64_t part = 0; part < 16; ++part) {
    EXPECT_FALSE(plaintext_size(kBodyPrefixSize + kSealedChunkSize + part)) << part;
  }
  EXPECT_FALSE(plaintext_size(kBodyPrefixSize + kMaxChunks * kSealedChunkSize + 16));
  EXPECT_TRUE(plaintext_size(kBodyPrefixSize + (kMaxChunks - 1) * kSealedChunkSize + 16));
}

TEST(Body, RefusesAnotherKeyOrHeader) {
  const Bytes body = seal(BodyKey::create(file_key(1), Digest{2}, system_random()), message(10));
  EXPECT_TRUE(is_altered(open(file_key(3), Digest{2}, body)));
  EXPECT_TRUE(is_altered(open(file_key(1), Digest{3}, body)));
}

TEST(Body, RefusesEveryFlippedByte) {
  const Bytes body = seal(BodyKey::create(file_key(1), Digest{2}, system_random()), message(40));
  for (std::size_t i = 0; i < body.size(); ++i) {
    Bytes other = body;
    other[i] ^= 1;
    EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, other))) << i;
  }
}

TEST(Body, RefusesEveryTruncation) {
  const Bytes body =
      seal(BodyKey::create(file_key(1), Digest{2}, system_random()), message(2 * kChunkSize + 5));
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, kBodyPrefixSize, kBodyPrefixSize + 16,
                                 kBodyPrefixSize + kSealedChunkSize, kBodyPrefixSize + kSealedChunkSize + 16,
                                 kBodyPrefixSize + 2 * kSealedChunkSize, body.size() - 6, body.size() - 1}) {
    EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, ByteView(body).first(size)))) << size;
  }
}

TEST(Body, RefusesWhatIsAppended) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{9}, kChunkSize}) {
    const Bytes body = seal(BodyKey::create(file_key(1), Digest{2}, system_random()), message(size));
    for (const std::size_t more :
         {std::size_t{1}, std::size_t{16}, kChunkSize, kSealedChunkSize, kSealedChunkSize + 16}) {
      Bytes other = body;
      other.resize(body.size() + more, 0x5a);
      EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, other))) << size << " + " << more;
    }
    Bytes twice = body;  // a second, validly sealed end
    twice.insert(twice.end(), body.begin() + kBodyPrefixSize, body.end());
    EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, twice)));
  }
}

TEST(Body, RefusesChunksOutOfPlace) {
  const BodyKey key = BodyKey::create(file_key(1), Digest{2}, system_random());
  const Bytes body = seal(key, Bytes(3 * kChunkSize, 7));
  Bytes other = body;
  const auto chunk = [&](Bytes& b, std::size_t i) {
    return b.begin() + static_cast<std::ptrdiff_t>(kBodyPrefixSize + i * kSealedChunkSize);
  };
  std::swap_ranges(chunk(other, 0), chunk(other, 1), chunk(other, 1));
  EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, other)));
  other = body;
  std::copy(chunk(other, 0), chunk(other, 1), chunk(other, 1));
  EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, other)));
  other = body;
  other.erase(chunk(other, 1), chunk(other, 2));
  EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, other)));

  ChunkCipher cipher(key, ChunkCipher::Direction::open);
  Bytes out(kChunkSize);
  const ByteView second = ByteView(body).subspan(kBodyPrefixSize + kSealedChunkSize, kSealedChunkSize);
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{257}, kMaxChunks - 1}) {
    EXPECT_FALSE(cipher.open(index, second, out));
    EXPECT_EQ(out, Bytes(kChunkSize, 0));
  }
  EXPECT_TRUE(cipher.open(1, second, out));
}

TEST(Body, RefusesChunksOfAnotherFile) {
  const Bytes a = seal(BodyKey::create(file_key(1), Digest{2}, system_random()), message(30));
  const Bytes b = seal(BodyKey::create(file_key(1), Digest{2}, system_random()), message(30));
  Bytes mixed(a.begin(), a.begin() + kBodyPrefixSize);
  mixed.insert(mixed.end(), b.begin() + kBodyPrefixSize, b.end());
  EXPECT_TRUE(is_altered(open(file_key(1), Digest{2}, mixed)));
}

}  // namespace
}  // namespace coprotect::protocol
