#include "client/files/window_cipher.h"

#include <algorithm>
#include <thread>

namespace coprotect::client {

using protocol::kChunkSize;
using protocol::kSealedChunkSize;

std::size_t worker_count() {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16);
}

Result<std::size_t> WindowCipher::transform(std::uint64_t index, ByteView in, std::span<std::uint8_t> out) {
  const bool last = in.size() < input_window(direction_);
  const std::size_t in_chunk = direction_ == Direction::seal ? kChunkSize : kSealedChunkSize;
  const std::size_t overhead = kSealedChunkSize - kChunkSize;
  std::size_t written = 0;
  for (std::uint64_t chunk = index * kWindowChunks;; ++chunk) {
    // Another window follows a full one. In the last window, a short chunk follows the full ones.
    if (in.empty() && !last) return written;
    const ByteView piece = in.first(std::min(in.size(), in_chunk));
    in = in.subspan(piece.size());
    if (direction_ == Direction::seal) {
      cipher_.seal(chunk, piece, out.subspan(written, piece.size() + overhead));
      written += piece.size() + overhead;
    } else {
      if (piece.size() < overhead) return Error(Code::altered, "file is cut: its end is missing");
      if (const auto opened = cipher_.open(chunk, piece, out.subspan(written, piece.size() - overhead));
          !opened) {
        return opened.error();
      }
      written += piece.size() - overhead;
    }
    if (piece.size() < in_chunk) return written;
  }
}

}  // namespace coprotect::client
