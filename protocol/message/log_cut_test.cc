#include "protocol/message/log_cut.h"

#include <gtest/gtest.h>

#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

LogEntry an_entry(std::uint64_t seq) {
  return {.seq = seq,
          .time_ms = 1'800'000'000'000,
          .kind = EntryKind::result,
          .tenant = "acme",
          .key_id = {},
          .client = "coprotect:acme:user:alice",
          .request_id = {},
          .request_hash = {},
          .action = 0,
          .reason = "",
          .outcome = "ok",
          .detail = "",
          .items = {}};
}

LogReply::Line line_of(const LogEntry& entry) {
  return {entry.encode(), sha256(entry.encode())};
}

// Entries 4..6 of a log. The second belongs to another tenant.
class Archive : public testing::Test {
 protected:
  Archive() {
    lines.push_back(line_of(an_entry(4)));
    lines.push_back({{}, Digest{5}});
    lines.push_back(line_of(an_entry(6)));
  }

  Bytes encode(std::uint64_t count, std::uint64_t head_at, const SigningKey& signer) const {
    const LogArchive archive{
        .identity_key = key.public_key().bytes(), .after = 3, .before = Digest{3}, .count = count};
    Bytes all = archive.header();
    Digest chain = archive.before;
    for (const auto& line : lines) {
      const Bytes encoded = LogArchive::line(line);
      all.insert(all.end(), encoded.begin(), encoded.end());
      chain = chain_next(chain, line.hash);
    }
    const Bytes head = LogHead::sign(head_at, 1, chain, signer).encode();
    all.insert(all.end(), head.begin(), head.end());
    return all;
  }
  Bytes whole() const { return encode(3, 6, key); }
  static Result<std::pair<LogArchive, LogHead>> read(ByteView encoded) {
    return LogArchive::read(encoded, [](const auto&, const auto&) { return Done{}; });
  }

  const SigningKey key = SigningKey::generate(system_random());
  std::vector<LogReply::Line> lines;
};

TEST(LogCut, IsSignedByTheKeyThatItNames) {
  const SigningKey key = SigningKey::generate(system_random());
  const LogCut said{.identity_key = {},
                    .after = 3,
                    .seq = 9,
                    .chain = {1},
                    .count = 5,
                    .archive = {2},
                    .time_ms = 1'800'000'000'000,
                    .signature = {}};
  const Bytes encoded = LogCut::sign(said, key).encode();
  const auto parsed = LogCut::parse(encoded);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->identity_key, key.public_key().bytes());
  EXPECT_EQ(parsed->after, 3u);
  EXPECT_EQ(parsed->seq, 9u);
  EXPECT_EQ(parsed->count, 5u);
  EXPECT_EQ(parsed->chain, Digest{1});
  EXPECT_EQ(parsed->archive, Digest{2});
  EXPECT_EQ(parsed->encode(), encoded);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    EXPECT_FALSE(LogCut::parse(flipped)) << i;
    EXPECT_FALSE(LogCut::parse(ByteView(encoded).first(i))) << i;
  }
  Bytes longer = encoded;
  longer.push_back(0);
  EXPECT_FALSE(LogCut::parse(longer));
  // A head's signature is not valid for a cut.
  LogCut forged = *parsed;
  forged.signature = LogHead::sign(9, 1'800'000'000'000, {1}, key).signature;
  EXPECT_EQ(LogCut::parse(forged.encode()).error().code(), Code::unauthenticated);
}

TEST(LogCut, RemovesSomethingAndNoMoreThanThereWas) {
  const SigningKey key = SigningKey::generate(system_random());
  const auto parses = [&](std::uint64_t after, std::uint64_t seq, std::uint64_t count) {
    const LogCut said{.identity_key = {},
                      .after = after,
                      .seq = seq,
                      .chain = {},
                      .count = count,
                      .archive = {},
                      .time_ms = 1,
                      .signature = {}};
    return static_cast<bool>(LogCut::parse(LogCut::sign(said, key).encode()));
  };
  EXPECT_TRUE(parses(3, 9, 6));
  EXPECT_FALSE(parses(3, 9, 7));
  EXPECT_FALSE(parses(3, 9, 0));
  EXPECT_FALSE(parses(9, 9, 1));
  EXPECT_FALSE(parses(9, 3, 1));
}

TEST_F(Archive, IsVerifiedAlone) {
  std::vector<std::uint64_t> seen;
  const auto read = LogArchive::read(whole(), [&](const auto& line, const auto& entry) {
    seen.push_back(entry ? entry->seq : 0);
    EXPECT_EQ(line.entry.empty(), !entry.has_value());
    return Status(Done{});
  });
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{4, 0, 6}));
  EXPECT_EQ(read->first.after, 3u);
  EXPECT_EQ(read->second.seq, 6u);
}

TEST_F(Archive, WithAChangedByteIsRefused) {
  const Bytes encoded = whole();
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    EXPECT_FALSE(read(flipped)) << i;
    EXPECT_FALSE(read(ByteView(encoded).first(i))) << i;
  }
  Bytes longer = encoded;
  longer.push_back(0);
  EXPECT_FALSE(read(longer));
}

TEST_F(Archive, OfAnotherAgentOrWithoutAnEntryIsRefused) {
  EXPECT_TRUE(read(whole()));
  EXPECT_FALSE(read(encode(3, 6, SigningKey::generate(system_random()))));
  EXPECT_FALSE(read(encode(3, 7, key)));
  EXPECT_FALSE(read(encode(2, 6, key)));
  lines.erase(lines.begin() + 1);
  EXPECT_FALSE(read(encode(2, 6, key)));
}

TEST_F(Archive, LeavesOutOnlyNumbersThatAnEntrySaysAreLost) {
  lines[2] = line_of(an_entry(8));
  EXPECT_TRUE(read(encode(3, 8, key)));  // the entry before, known by its hash, may record the loss
  lines[1] = line_of(an_entry(5));
  EXPECT_FALSE(read(encode(3, 8, key)));
  LogEntry lost = an_entry(8);
  lost.kind = EntryKind::store;
  lines[2] = line_of(lost);
  EXPECT_TRUE(read(encode(3, 8, key)));
}

}  // namespace
}  // namespace coprotect::protocol
