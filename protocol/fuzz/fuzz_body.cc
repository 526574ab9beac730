// Bodies: no untrusted body opens, and every sealed body opens.

#include <algorithm>

#include "protocol/file/body.h"

using namespace coprotect;

namespace {

// Opens all chunks as a reader does.
Status open_all(const protocol::BodyKey& key, ByteView chunks) {
  const auto size = protocol::plaintext_size(protocol::kBodyPrefixSize + chunks.size());
  if (!size) return size.error();
  protocol::ChunkCipher cipher(key, protocol::ChunkCipher::Direction::open);
  Bytes out(protocol::kChunkSize);
  for (std::uint64_t i = 0; i <= *size / protocol::kChunkSize; ++i) {
    const std::size_t n = std::min<std::uint64_t>(protocol::kChunkSize, *size - i * protocol::kChunkSize);
    const ByteView chunk = chunks.subspan(i * protocol::kSealedChunkSize, n + 16);
    if (const auto opened = cipher.open(i, chunk, std::span(out).first(n)); !opened) return opened;
  }
  return Done{};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const Bytes key_bytes(32, 7);
  if (size >= 24) {
    const auto key = protocol::BodyKey::derive(key_bytes, input.first(24), {});
    invariant(!open_all(key, input.subspan(24)));
  }
  invariant(!protocol::BodyKey::open(Secret::copy_of(key_bytes), Digest{},
                                     input.first(std::min(size, protocol::kBodyPrefixSize))));

  const auto key = protocol::BodyKey::derive(key_bytes, Bytes(24, 0), input);
  protocol::ChunkCipher seal(key, protocol::ChunkCipher::Direction::seal);
  protocol::ChunkCipher open(key, protocol::ChunkCipher::Direction::open);
  const ByteView chunk = input.first(std::min(size, protocol::kChunkSize));
  Bytes sealed(chunk.size() + 16);
  Bytes opened(chunk.size());
  seal.seal(size, chunk, sealed);
  invariant(open.open(size, sealed, opened) && std::ranges::equal(opened, chunk));
  return 0;
}
