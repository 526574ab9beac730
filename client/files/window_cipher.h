#pragma once

#include "protocol/file/body.h"

namespace coprotect::client {

using Direction = protocol::ChunkCipher::Direction;

// Bodies are worked on in windows of some chunks: what one thread reads, seals or opens, and writes at a
// time. Every window but a body's last is full; the last is shorter and may be empty. So the end of a body
// shows in its last window.
constexpr std::size_t kWindowChunks = 16;
constexpr std::size_t kPlainWindow = kWindowChunks * protocol::kChunkSize;
constexpr std::size_t kSealedWindow = kWindowChunks * protocol::kSealedChunkSize;

constexpr std::size_t input_window(Direction d) {
  return d == Direction::seal ? kPlainWindow : kSealedWindow;
}
constexpr std::size_t output_window(Direction d) {
  return d == Direction::seal ? kSealedWindow : kPlainWindow;
}

// How many threads work on a body: one for each core, but no more than keep the memory within 32 MiB.
std::size_t worker_count();

// Seals or opens windows; one per thread.
class WindowCipher {
 public:
  WindowCipher(const protocol::BodyKey& key, Direction direction)
      : cipher_(key, direction), direction_(direction) {}

  // Window number `index` of a body; it is the last if `in` is not full. `out` has room for a window. Returns
  // the size of what it wrote there. Code::altered if it does not open, or if it is the last and the end of
  // the body is missing.
  Result<std::size_t> transform(std::uint64_t index, ByteView in, std::span<std::uint8_t> out);

 private:
  protocol::ChunkCipher cipher_;
  Direction direction_;
};

}  // namespace coprotect::client
