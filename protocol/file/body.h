#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "protocol/base/bytes.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// C2SP chunked-encryption, Cobblestone-256 (SPEC.md §9.3). Chunks are independent. A caller may seal and open
// them in any order and on several threads, with one ChunkCipher per thread.
constexpr std::size_t kChunkSize = 16'384;
constexpr std::size_t kSealedChunkSize = kChunkSize + 16;
constexpr std::size_t kBodyPrefixSize = 24 + 32;  // salt ‖ commitment
constexpr std::uint64_t kMaxChunks = std::uint64_t{1} << 38;

// The key schedule of one body. Immutable; threads that work on the body share it.
class BodyKey {
 public:
  // For a new body. Draws a salt. core_hash is SHA-256(CORE).
  static BodyKey create(const Secret& file_key, const Digest& core_hash, Random& random);
  // For an existing body, from its first kBodyPrefixSize bytes. Code::altered if the commitment does not
  // match this file key.
  static Result<BodyKey> open(const Secret& file_key, const Digest& core_hash, ByteView prefix);
  // The derivation itself, for any context. It is public so that tests can run C2SP's vectors. input_key has
  // 32 bytes, salt 24.
  static BodyKey derive(ByteView input_key, ByteView salt, ByteView context);

  // salt ‖ commitment, which precede the first chunk.
  const ByteArray<kBodyPrefixSize>& prefix() const { return prefix_; }

 private:
  friend class ChunkCipher;
  BodyKey(Secret key, const ByteArray<12>& base_nonce, const ByteArray<kBodyPrefixSize>& prefix)
      : key_(std::move(key)), base_nonce_(base_nonce), prefix_(prefix) {}
  Secret key_;
  ByteArray<12> base_nonce_;
  ByteArray<kBodyPrefixSize> prefix_;
};

// Seals and opens chunks. One per thread.
class ChunkCipher {
 public:
  enum class Direction { seal, open };
  ChunkCipher(const BodyKey& key, Direction direction);
  ChunkCipher(ChunkCipher&&) noexcept;
  ChunkCipher& operator=(ChunkCipher&&) noexcept;
  ~ChunkCipher();

  // out.size() == in.size() + 16, in.size() ≤ kChunkSize. Only the last chunk is shorter. in and out must not
  // overlap.
  void seal(std::uint64_t index, ByteView in, std::span<std::uint8_t> out);
  // out.size() == in.size() − 16. Code::altered if this is not the chunk that was sealed at this index.
  Status open(std::uint64_t index, ByteView in, std::span<std::uint8_t> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The size of the sealed body of a plaintext, prefix included.
constexpr std::uint64_t sealed_body_size(std::uint64_t plaintext) {
  return kBodyPrefixSize + plaintext + 16 * (plaintext / kChunkSize + 1);
}
// The size of the plaintext of a body of this size (prefix included). Code::altered if no body has this size,
// because the body was truncated.
Result<std::uint64_t> plaintext_size(std::uint64_t sealed_body);

}  // namespace coprotect::protocol
