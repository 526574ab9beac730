#include "protocol/file/body.h"

#include <openssl/evp.h>

#include <algorithm>

#include "protocol/base/dead_stack.h"
#include "protocol/base/owned.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kSaltSize = 24;
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = kSealedChunkSize - kChunkSize;

Bytes context_of(const Digest& core_hash) {
  Writer context;
  context.literal("CPV1").bytes(core_hash);
  return std::move(context).take();
}

int size_of(std::span<const std::uint8_t> bytes) {
  return static_cast<int>(bytes.size());
}

}  // namespace

BodyKey BodyKey::derive(ByteView input_key, ByteView salt, ByteView context) {
  const WipesDeadStack schedule;
  invariant(input_key.size() == kKeySize && salt.size() == kSaltSize);
  Writer info;
  info.literal("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM").u8(0).bytes(salt).bytes(context);
  const Secret okm = hkdf_expand_sha512(input_key, info.view(), kKeySize + kNonceSize + 32);
  const ByteView nonce = okm.reveal().subspan(kKeySize, kNonceSize);
  const ByteView commitment = okm.reveal().subspan(kKeySize + kNonceSize);

  ByteArray<kNonceSize> base_nonce;
  std::copy(nonce.begin(), nonce.end(), base_nonce.begin());
  ByteArray<kBodyPrefixSize> prefix;
  std::copy(commitment.begin(), commitment.end(), std::copy(salt.begin(), salt.end(), prefix.begin()));
  return {Secret::copy_of(okm.reveal().first(kKeySize)), base_nonce, prefix};
}

BodyKey BodyKey::create(const Secret& file_key, const Digest& core_hash, Random& random) {
  ByteArray<kSaltSize> salt;
  random.fill(salt);
  return derive(file_key.reveal(), salt, context_of(core_hash));
}

Result<BodyKey> BodyKey::open(const Secret& file_key, const Digest& core_hash, ByteView prefix) {
  if (prefix.size() != kBodyPrefixSize) return Error(Code::altered, "body is cut before its first chunk");
  BodyKey key = derive(file_key.reveal(), prefix.first(kSaltSize), context_of(core_hash));
  if (!equal_in_constant_time(key.prefix_, prefix)) {
    return Error(Code::altered, "body belongs to another header");
  }
  return key;
}

struct ChunkCipher::State {
  Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context{EVP_CIPHER_CTX_new()};
  ByteArray<kNonceSize> base_nonce;
  Direction direction;

  // The nonce of a chunk: base ⊕ index, 12 bytes big-endian. The context keeps its key.
  void set_nonce(std::uint64_t index) {
    invariant(index < kMaxChunks);
    ByteArray<kNonceSize> nonce = base_nonce;
    for (std::size_t i = 0; i < 8; ++i)
      nonce[kNonceSize - 1 - i] ^= static_cast<std::uint8_t>(index >> (8 * i));
    invariant(EVP_CipherInit_ex(context.get(), nullptr, nullptr, nullptr, nonce.data(), -1) == 1);
  }
};

ChunkCipher::ChunkCipher(const BodyKey& key, Direction direction) : state_(std::make_unique<State>()) {
  const WipesDeadStack schedule;
  state_->base_nonce = key.base_nonce_;
  state_->direction = direction;
  invariant(state_->context != nullptr &&
            EVP_CipherInit_ex(state_->context.get(), EVP_aes_256_gcm(), nullptr, key.key_.reveal().data(),
                              nullptr, direction == Direction::seal ? 1 : 0) == 1);
}

ChunkCipher::ChunkCipher(ChunkCipher&&) noexcept = default;
ChunkCipher& ChunkCipher::operator=(ChunkCipher&&) noexcept = default;
ChunkCipher::~ChunkCipher() = default;

void ChunkCipher::seal(std::uint64_t index, ByteView in, std::span<std::uint8_t> out) {
  invariant(state_->direction == Direction::seal && in.size() <= kChunkSize &&
            out.size() == in.size() + kTagSize);
  state_->set_nonce(index);
  EVP_CIPHER_CTX* const context = state_->context.get();
  int written = 0;
  // To OpenSSL a null input means the end, so an empty chunk has no update.
  if (!in.empty()) {
    invariant(EVP_CipherUpdate(context, out.data(), &written, in.data(), size_of(in)) == 1 &&
              written == size_of(in));
  }
  invariant(EVP_CipherFinal_ex(context, out.data() + in.size(), &written) == 1 && written == 0);
  invariant(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagSize),
                                out.data() + in.size()) == 1);
}

Status ChunkCipher::open(std::uint64_t index, ByteView in, std::span<std::uint8_t> out) {
  invariant(state_->direction == Direction::open && in.size() <= kSealedChunkSize &&
            in.size() == out.size() + kTagSize);
  state_->set_nonce(index);
  EVP_CIPHER_CTX* const context = state_->context.get();
  ByteArray<kTagSize> tag;
  std::copy(in.end() - kTagSize, in.end(), tag.begin());
  int written = 0;
  invariant(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagSize), tag.data()) == 1);
  if (!out.empty()) {
    invariant(EVP_CipherUpdate(context, out.data(), &written, in.data(), size_of(out)) == 1 &&
              written == size_of(out));
  }
  std::uint8_t nothing[kTagSize];
  if (EVP_CipherFinal_ex(context, nothing, &written) != 1) {
    // Unauthenticated output must not be used.
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    return Error(Code::altered, "body is altered in chunk " + std::to_string(index));
  }
  return Done{};
}

Result<std::uint64_t> plaintext_size(std::uint64_t sealed_body) {
  if (sealed_body < kBodyPrefixSize) return Error(Code::altered, "body is cut before its first chunk");
  const std::uint64_t chunks = sealed_body - kBodyPrefixSize;
  const std::uint64_t full = chunks / kSealedChunkSize;
  const std::uint64_t last = chunks % kSealedChunkSize;
  // Without a short last chunk, or with part of its tag missing, the body is truncated.
  if (last < kTagSize || full >= kMaxChunks) return Error(Code::altered, "body is cut");
  return full * kChunkSize + last - kTagSize;
}

}  // namespace coprotect::protocol
