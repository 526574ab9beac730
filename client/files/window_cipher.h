#pragma once

#include "protocol/file/body.h"

namespace coprotect::client {

using Direction = protocol::ChunkCipher::Direction;

// Bodies are processed in windows of several chunks: the unit that one thread reads, seals or opens, and
// writes. Every window but a body's last is full. The last one is shorter and may be empty, so it marks the
// end of the body.
constexpr std::size_t kWindowChunks = 16;
constexpr std::size_t kPlainWindow = kWindowChunks * protocol::kChunkSize;
constexpr std::size_t kSealedWindow = kWindowChunks * protocol::kSealedChunkSize;

constexpr std::size_t input_window(Direction d) {
  return d == Direction::seal ? kPlainWindow : kSealedWindow;
}
constexpr std::size_t output_window(Direction d) {
  return d == Direction::seal ? kSealedWindow : kPlainWindow;
}

// The number of threads for a body: one per core, limited so that memory stays within 32 MiB.
std::size_t worker_count();

// Seals or opens windows. One per thread.
class WindowCipher {
 public:
  WindowCipher(const protocol::BodyKey& key, Direction direction)
      : cipher_(key, direction), direction_(direction) {}

  // Processes window number `index` of a body. It is the last one if `in` is not full. `out` has room for a
  // window. Returns the size of the output. Code::altered if the window does not open, or if it is the last
  // and the end of the body is missing.
  Result<std::size_t> transform(std::uint64_t index, ByteView in, std::span<std::uint8_t> out);

 private:
  protocol::ChunkCipher cipher_;
  Direction direction_;
};

}  // namespace coprotect::client
