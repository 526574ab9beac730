#include "provisioning/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protocol/crypto/hash.h"
#include "provisioning/log_format.h"

namespace coprotect::provisioning {
namespace {

using protocol::LogEntry;
using protocol::LogHead;
using protocol::LogReply;

// A log of some entries, and pages of it as an agent would give them.
class Log : public testing::Test {
 protected:
  Log() {
    for (std::uint64_t seq = 1; seq <= 5; ++seq) {
      const LogEntry entry{.seq = seq,
                           .time_ms = 1'800'000'000'000 + static_cast<std::int64_t>(seq),
                           .kind = protocol::EntryKind::intent,
                           .tenant = "acme",
                           .key_id = {},
                           .client = "coprotect:acme:user:alice",
                           .request_id = {1, 2, 3, 4, 5, 6, 7, static_cast<std::uint8_t>(seq)},
                           .request_hash = {},
                           .action = 1,
                           .reason = "quarterly review",
                           .outcome = "ok",
                           .detail = "",
                           .items = {{.c1_hash = {}, .status = protocol::ItemStatus::done}}};
      lines_.push_back({entry.encode(), protocol::sha256(entry.encode())});
    }
  }

  Digest chain(std::size_t count) const {
    Digest chain{};
    for (std::size_t i = 0; i < count; ++i) chain = protocol::chain_next(chain, lines_[i].hash);
    return chain;
  }
  Bytes head(std::size_t count) const {
    return LogHead::sign(count, 1'800'000'000'000, chain(count), identity_).encode();
  }
  LogReply page(std::size_t from, std::size_t to, std::size_t head_at) const {
    return {.head = head(head_at),
            .before = chain(from - 1),
            .lines = {lines_.begin() + static_cast<std::ptrdiff_t>(from - 1),
                      lines_.begin() + static_cast<std::ptrdiff_t>(to)}};
  }
  LogChecker checker() const { return {"cloud", identity_.public_key()}; }
  void expect_altered(const LogReply& reply) const {
    auto all = checker();
    const auto taken = all.take(reply);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code(), Code::altered);
  }

  const protocol::SigningKey identity_ = protocol::SigningKey::generate(system_random());
  std::vector<LogReply::Line> lines_;
};

TEST_F(Log, VerifiesInOnePage) {
  auto all = checker();
  EXPECT_TRUE(*all.take(page(1, 5, 5)));
  const VerifiedLog log = std::move(all).finish();
  EXPECT_EQ(log.entries.size(), 5u);
  EXPECT_EQ(log.head.seq, 5u);
}

TEST_F(Log, VerifiesInPages) {
  auto all = checker();
  EXPECT_FALSE(*all.take(page(1, 2, 5)));
  EXPECT_EQ(all.next(), 3u);
  EXPECT_FALSE(*all.take(page(3, 4, 5)));
  EXPECT_TRUE(*all.take(page(5, 5, 5)));
}

// Each page that is asked for adds entries: a reader of small ones comes to an end.
TEST_F(Log, EndsWhereItStoodAtFirst) {
  auto all = checker();
  EXPECT_FALSE(*all.take(page(1, 1, 2)));
  EXPECT_TRUE(*all.take(page(2, 3, 4)));
  const VerifiedLog log = std::move(all).finish();
  EXPECT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.head.seq, 2u);
}

TEST_F(Log, FindsAPageThatDoesNotContinueTheOneBefore) {
  auto all = checker();
  EXPECT_FALSE(*all.take(page(1, 2, 5)));
  LogReply next = page(3, 5, 5);
  next.before = chain(1);
  const auto taken = all.take(next);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::altered);
}

TEST_F(Log, VerifiesAnEmptyOne) {
  auto all = checker();
  EXPECT_TRUE(*all.take(LogReply{.head = head(0), .lines = {}}));
}

TEST_F(Log, CountsOtherTenantsEntriesByTheirHashes) {
  LogReply reply = page(1, 5, 5);
  reply.lines[2].entry.clear();
  auto all = checker();
  EXPECT_TRUE(*all.take(reply));
  const VerifiedLog log = std::move(all).finish();
  EXPECT_EQ(log.entries.size(), 4u);
  EXPECT_EQ(log.foreign, 1u);
}

TEST_F(Log, FindsAChangedEntry) {
  LogReply reply = page(1, 5, 5);
  auto entry = *LogEntry::parse(reply.lines[1].entry);
  entry.reason = "holiday pictures";
  reply.lines[1].entry = entry.encode();
  expect_altered(reply);
}

TEST_F(Log, FindsAnEntryThatIsMissingAddedOrMoved) {
  LogReply missing = page(1, 5, 5);
  missing.lines.erase(missing.lines.begin() + 2);
  expect_altered(missing);
  LogReply moved = page(1, 5, 5);
  std::swap(moved.lines[1], moved.lines[2]);
  expect_altered(moved);
  LogReply added = page(1, 4, 4);
  added.lines.push_back(lines_[4]);
  expect_altered(added);
  LogReply hidden = page(1, 5, 5);
  hidden.lines[3] = {{}, Digest{}};
  expect_altered(hidden);
  expect_altered(LogReply{.head = head(5), .lines = {}});
}

TEST_F(Log, FindsAHeadOfAnotherSigner) {
  const auto other = protocol::SigningKey::generate(system_random());
  LogReply reply = page(1, 5, 5);
  reply.head = LogHead::sign(5, 1'800'000'000'000, chain(5), other).encode();
  expect_altered(reply);
  reply.head = head(5);
  reply.head.back() ^= 1;
  expect_altered(reply);
}

TEST_F(Log, FindsALogThatForks) {
  // The first head promised another third entry than the one that comes.
  auto all = checker();
  LogReply first = page(1, 2, 3);
  const auto forked = protocol::chain_next(chain(2), Digest{});
  first.head = LogHead::sign(3, 1'800'000'000'000, forked, identity_).encode();
  EXPECT_FALSE(*all.take(first));
  EXPECT_EQ(all.take(page(3, 5, 5)).error().code(), Code::altered);
  // A head that goes back hides what came after.
  auto back = checker();
  EXPECT_FALSE(*back.take(page(1, 2, 5)));
  EXPECT_EQ(back.take(page(3, 4, 4)).error().code(), Code::altered);
}

TEST_F(Log, MayLackOnlyWhatItSaysIsLost) {
  auto entry = *LogEntry::parse(lines_[3].entry);
  entry.seq = 40;
  const auto page_with = [&](protocol::EntryKind kind, std::uint64_t head_seq) {
    entry.kind = kind;
    lines_.resize(3);
    lines_.push_back({entry.encode(), protocol::sha256(entry.encode())});
    LogReply reply = page(1, 4, 4);
    reply.head = LogHead::sign(head_seq, 1'800'000'000'000, chain(4), identity_).encode();
    return reply;
  };
  auto all = checker();
  EXPECT_TRUE(*all.take(page_with(protocol::EntryKind::store, 40)));
  EXPECT_EQ(all.next(), 41u);
  const VerifiedLog log = std::move(all).finish();
  EXPECT_EQ(log.lost, 36u);
  EXPECT_NE(log_as_table(log).find("36 were lost"), std::string::npos);
  expect_altered(page_with(protocol::EntryKind::intent, 40));
  expect_altered(page_with(protocol::EntryKind::store, 39));
  entry.seq = 2;  // back
  expect_altered(page_with(protocol::EntryKind::store, 4));
  // A head that was seen before must not be left out.
  entry.seq = 40;
  const LogReply jump = page_with(protocol::EntryKind::store, 40);
  auto later = checker();
  LogReply first = jump;
  first.lines.resize(2);
  first.head = LogHead::sign(20, 1'800'000'000'000, Digest{}, identity_).encode();
  EXPECT_FALSE(*later.take(first));
  const LogReply rest{
      .head = jump.head, .before = chain(2), .lines = {jump.lines.begin() + 2, jump.lines.end()}};
  EXPECT_EQ(later.take(rest).error().code(), Code::altered);
}

TEST_F(Log, IsShownWithoutControlCharacters) {
  auto entry = *LogEntry::parse(lines_[0].entry);
  entry.reason = "\x1b]0;pwned\x07";
  lines_[0] = {entry.encode(), protocol::sha256(entry.encode())};
  auto all = checker();
  EXPECT_TRUE(*all.take(page(1, 5, 5)));
  const VerifiedLog log = std::move(all).finish();
  const std::string table = log_as_table(log);
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
  EXPECT_NE(table.find("user:alice"), std::string::npos);
  EXPECT_NE(table.find("quarterly review"), std::string::npos);
}

TEST_F(Log, IsShownAsJsonLines) {
  auto all = checker();
  EXPECT_TRUE(*all.take(page(1, 5, 5)));
  std::istringstream text(log_as_json(std::move(all).finish()));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0]["client"], "coprotect:acme:user:alice");
  EXPECT_EQ(lines[0]["items"][0]["status"], "done");
  EXPECT_EQ(lines[5]["seq"], 5);
  EXPECT_EQ(lines[5]["verified"], true);
}

}  // namespace
}  // namespace coprotect::provisioning
