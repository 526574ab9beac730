#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "client/files/body_file.h"
#include "client/files/body_stream.h"
#include "client/files/fd.h"

namespace coprotect::client {
namespace {

using protocol::BodyKey;
using protocol::kBodyPrefixSize;
using protocol::kChunkSize;

constexpr std::size_t kSizes[] = {0,
                                  1,
                                  kChunkSize,
                                  kPlainWindow - 1,
                                  kPlainWindow,
                                  kPlainWindow + 1,
                                  2 * kPlainWindow,
                                  5 * kPlainWindow + 3 * kChunkSize,
                                  40 * kPlainWindow + 77};

BodyKey body_key(std::uint8_t salt) {
  return BodyKey::derive(Bytes(32, 1), Bytes(24, salt), {});
}

Bytes message(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return bytes;
}

Fd memory_file(ByteView content) {
  Fd fd(memfd_create("test", MFD_CLOEXEC));
  EXPECT_TRUE(write_all(fd.get(), content));
  return fd;
}

Bytes content_of(const Fd& fd) {
  Bytes bytes(static_cast<std::size_t>(lseek(fd.get(), 0, SEEK_END)));
  EXPECT_TRUE(read_full_at(fd.get(), bytes, 0));
  return bytes;
}

Result<Bytes> through_file(const BodyKey& key, Direction direction, ByteView input) {
  const Fd in = memory_file(input);
  const Fd out = memory_file({});
  Progress progress(0, false);
  const auto done = transform_file(key, direction, {in.get(), 0}, input.size(), {out.get(), 0}, progress);
  if (!done) return done.error();
  return content_of(out);
}

Result<Bytes> through_stream(const BodyKey& key, Direction direction, ByteView input) {
  Bytes output;
  const WindowSource source = [&](std::span<std::uint8_t> out) -> Result<std::size_t> {
    const std::size_t n = std::min(out.size(), input.size());
    std::copy_n(input.begin(), n, out.begin());
    input = input.subspan(n);
    return n;
  };
  const WindowSink sink = [&](ByteView bytes) -> Status {
    output.insert(output.end(), bytes.begin(), bytes.end());
    return Done{};
  };
  Progress progress(0, false);
  const auto done = transform_stream(key, direction, source, sink, progress);
  if (!done) return done.error();
  return output;
}

Bytes seal(const BodyKey& key, ByteView plaintext) {
  return *through_file(key, Direction::seal, plaintext);
}

bool is_altered(const Result<Bytes>& result) {
  return !result && result.error().code() == Code::altered;
}

TEST(BodyPipelines, AgreeWithEachOtherAndTheFormat) {
  const BodyKey key = body_key(1);
  for (const std::size_t size : kSizes) {
    const Bytes plaintext = message(size);
    const auto by_file = through_file(key, Direction::seal, plaintext);
    const auto by_stream = through_stream(key, Direction::seal, plaintext);
    ASSERT_TRUE(by_file && by_stream) << size;
    EXPECT_EQ(kBodyPrefixSize + by_file->size(), protocol::sealed_body_size(size));
    EXPECT_EQ(*by_file, *by_stream) << size;
    const auto opened_by_file = through_file(key, Direction::open, *by_file);
    const auto opened_by_stream = through_stream(key, Direction::open, *by_file);
    ASSERT_TRUE(opened_by_file && opened_by_stream) << size;
    EXPECT_EQ(*opened_by_file, plaintext);
    EXPECT_EQ(*opened_by_stream, plaintext);
  }
}

TEST(BodyPipelines, RefuseTruncation) {
  const BodyKey key = body_key(1);
  const Bytes sealed = seal(key, message(2 * kPlainWindow + 3 * kChunkSize + 5));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{15}, protocol::kSealedChunkSize, kSealedWindow, kSealedWindow + 16,
        2 * kSealedWindow, 2 * kSealedWindow + protocol::kSealedChunkSize, sealed.size() - 1}) {
    EXPECT_TRUE(is_altered(through_file(key, Direction::open, ByteView(sealed).first(size)))) << size;
    EXPECT_TRUE(is_altered(through_stream(key, Direction::open, ByteView(sealed).first(size)))) << size;
  }
}

TEST(BodyPipelines, RefuseAppendedReorderedAndForeignChunks) {
  const BodyKey key = body_key(1);
  const Bytes sealed = seal(key, message(3 * kPlainWindow));
  Bytes appended = sealed;
  appended.insert(appended.end(), sealed.begin(), sealed.end());
  Bytes reordered = sealed;
  std::swap_ranges(reordered.begin(), reordered.begin() + kSealedWindow, reordered.begin() + kSealedWindow);
  Bytes flipped = sealed;
  flipped[2 * kSealedWindow + 9] ^= 1;
  const Bytes foreign = seal(body_key(2), message(3 * kPlainWindow));
  for (const ByteView body :
       {ByteView(appended), ByteView(reordered), ByteView(flipped), ByteView(foreign)}) {
    EXPECT_TRUE(is_altered(through_file(key, Direction::open, body)));
    EXPECT_TRUE(is_altered(through_stream(key, Direction::open, body)));
  }
}

TEST(BodyPipelines, GiveNothingUnverifiedToTheSink) {
  const BodyKey key = body_key(1);
  const Bytes plaintext = message(4 * kPlainWindow);
  Bytes sealed = seal(key, plaintext);
  sealed[2 * kSealedWindow + 9] ^= 1;
  Bytes output;
  std::size_t at = 0;
  Progress progress(0, false);
  const auto done = transform_stream(
      key, Direction::open,
      [&](std::span<std::uint8_t> out) -> Result<std::size_t> {
        const std::size_t n = std::min(out.size(), sealed.size() - at);
        std::copy_n(sealed.begin() + static_cast<std::ptrdiff_t>(at), n, out.begin());
        at += n;
        return n;
      },
      [&](ByteView bytes) -> Status {
        output.insert(output.end(), bytes.begin(), bytes.end());
        return Done{};
      },
      progress);
  EXPECT_FALSE(done);
  ASSERT_LE(output.size(), 2 * kPlainWindow);
  EXPECT_TRUE(std::equal(output.begin(), output.end(), plaintext.begin()));
}

TEST(BodyPipelines, PassOnTheErrorsOfSourceAndSink) {
  const BodyKey key = body_key(1);
  Progress progress(0, false);
  const WindowSource endless = [](std::span<std::uint8_t> out) -> Result<std::size_t> { return out.size(); };
  int windows = 0;
  const auto full = transform_stream(
      key, Direction::seal, endless,
      [&](ByteView) -> Status {
        if (++windows < 20) return Done{};
        return Error(Code::unavailable, "the disk is full");
      },
      progress);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message(), "the disk is full");
  const auto broken = transform_stream(
      key, Direction::seal,
      [](std::span<std::uint8_t>) -> Result<std::size_t> { return Error(Code::unavailable, "broken"); },
      [](ByteView) -> Status { return Done{}; }, progress);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().message(), "broken");
}

TEST(BodyPipelines, NoticeAnInputThatBecomesShorter) {
  const Fd in = memory_file(message(100));
  const Fd out = memory_file({});
  Progress progress(0, false);
  const auto done =
      transform_file(body_key(1), Direction::seal, {in.get(), 0}, 200, {out.get(), 0}, progress);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::conflict);
}

TEST(BodyPipelines, NoticeADiskThatIsFull) {
  const Fd in = memory_file(message(3 * kPlainWindow));
  const Fd out(open("/dev/full", O_WRONLY | O_CLOEXEC));
  Progress progress(0, false);
  const auto done =
      transform_file(body_key(1), Direction::seal, {in.get(), 0}, 3 * kPlainWindow, {out.get(), 0}, progress);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::unavailable);
}

}  // namespace
}  // namespace coprotect::client
