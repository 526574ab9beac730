#include "client/files/encrypted_file.h"

#include <algorithm>

#include "client/files/body_file.h"
#include "client/files/body_stream.h"
#include "protocol/file/magic.h"

namespace coprotect::client {

using protocol::BodyKey;
using protocol::kBodyPrefixSize;

namespace {

bool is_text(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) {
    return (b >= 0x20 && b != 0x7f) || b == '\n' || b == '\t' || b == '\r';
  });
}

// Transforms the body from the input's position into the target, after its first `out_offset` bytes.
Status transform(const BodyKey& key, Direction direction, Input& input, Target& target,
                 std::uint64_t out_offset, Progress& progress) {
  if (input.regular() && target.regular()) {
    // If the file has become shorter, the read will notice.
    const std::uint64_t size = input.size() - std::min(input.size(), input.position());
    return transform_file(key, direction, {input.fd(), input.position()}, size, {target.fd(), out_offset},
                          progress);
  }
  const bool terminal = target.terminal();
  auto done = transform_stream(
      key, direction, [&](std::span<std::uint8_t> out) { return input.read(out); },
      [&](ByteView bytes) -> Status {
        if (terminal && !is_text(bytes))
          return Error(Code::conflict, "binary data is not written to a terminal");
        return write_all(target.fd(), bytes);
      },
      progress);
  if (done || target.regular()) return done;
  return Error(done.error().code(), done.error().message() + "; the output is incomplete");
}

}  // namespace

Result<bool> is_encrypted(Input& input) {
  Bytes front(protocol::kHeaderMagic.size());
  const auto size = input.read(front);
  if (!size) return size.error();
  const ByteView present = ByteView(front).first(*size);
  const bool encrypted = std::ranges::equal(present, bytes_of(protocol::kHeaderMagic));
  input.unread(present);
  return encrypted;
}

Result<protocol::Header> read_header(Input& input) {
  Bytes front(protocol::kMaxHeaderSize);
  const auto size = input.read(front);
  if (!size) return size.error();
  auto header = protocol::Header::parse(ByteView(front).first(*size));
  if (header) input.unread(ByteView(front).first(*size).subspan(header->encoded().size()));
  return header;
}

Result<std::uint64_t> content_size(Input& input) {
  if (input.regular())
    return protocol::plaintext_size(input.size() - std::min(input.size(), input.position()));
  Bytes window(kPlainWindow);
  std::uint64_t total = 0;
  for (;;) {
    const auto size = input.read(window);
    if (!size) return size.error();
    total += *size;
    if (*size < window.size()) return protocol::plaintext_size(total);
  }
}

Status write_encrypted(Input& input, const protocol::Header& header, const Secret& file_key, Target& target,
                       Progress& progress) {
  if (target.terminal()) return Error(Code::conflict, "binary data is not written to a terminal");
  const BodyKey key = BodyKey::create(file_key, header.core_hash(), system_random());
  Bytes front(header.encoded().begin(), header.encoded().end());
  front.insert(front.end(), key.prefix().begin(), key.prefix().end());
  if (auto written = write_all(target.fd(), front); !written) return written;
  if (auto sealed = transform(key, Direction::seal, input, target, front.size(), progress); !sealed)
    return sealed;
  if (auto unchanged = input.unchanged(); !unchanged) return unchanged;
  return target.finish();
}

Status write_decrypted(Input& input, const protocol::Header& header, const Secret& file_key, Target& target,
                       Progress& progress) {
  ByteArray<kBodyPrefixSize> prefix;
  const auto size = input.read(prefix);
  if (!size) return size.error();
  const auto key = BodyKey::open(file_key, header.core_hash(), ByteView(prefix).first(*size));
  if (!key) return key.error();
  if (auto opened = transform(*key, Direction::open, input, target, 0, progress); !opened) return opened;
  return target.finish();
}

}  // namespace coprotect::client
