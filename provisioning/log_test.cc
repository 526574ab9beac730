#include "provisioning/log.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "protocol/base/test_must.h"
#include "provisioning/log_format.h"
#include "provisioning/test_log.h"
#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

class Log : public TestLog {};

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

// Each request for a page adds entries. A reader of small pages still reaches the end.
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
  // The first head promised another third entry than the one received.
  auto all = checker();
  LogReply first = page(1, 2, 3);
  const auto forked = protocol::chain_next(chain(2), Digest{});
  first.head = LogHead::sign(3, 1'800'000'000'000, forked, identity_).encode();
  EXPECT_FALSE(*all.take(first));
  EXPECT_EQ(all.take(page(3, 5, 5)).error().code(), Code::altered);
  // A head that goes back hides later entries.
  auto back = checker();
  EXPECT_FALSE(*back.take(page(1, 2, 5)));
  EXPECT_EQ(back.take(page(3, 4, 4)).error().code(), Code::altered);
}

// An agent cannot deny the head of an earlier reading.
TEST_F(Log, GoesOnFromWhereItWasReadBefore) {
  const auto reading = [&](std::size_t read) {
    return LogChecker("cloud", identity_.public_key(), {must(LogHead::parse(head(read)))});
  };
  LogChecker same = reading(5);
  EXPECT_TRUE(*same.take(page(1, 5, 5)));
  LogChecker longer = reading(3);
  EXPECT_FALSE(*longer.take(page(1, 2, 5)));
  EXPECT_TRUE(*longer.take(page(3, 5, 5)));
  EXPECT_FALSE(std::move(longer).finish().lost_what_was_read);
  LogChecker shorter = reading(4);
  EXPECT_EQ(shorter.take(page(1, 3, 3)).error().code(), Code::altered);
  // As many entries or more, but one that was read before is changed or hidden.
  LogChecker changed = reading(3);
  lines_[1].hash = Digest{1};
  lines_[1].entry.clear();
  EXPECT_EQ(changed.take(page(1, 5, 5)).error().code(), Code::altered);
}

TEST_F(Log, IsShownAlsoIfItsHeadCannotBeKept) {
  const harness::Scratch scratch;
  std::ofstream(scratch.path() / "heads") << "no folder";
  const ReadHeads heads(scratch.path() / "config.toml");
  const TestTenant tenant;
  protocol::Party party = tenant.bundle.parameters()->parties[0];
  party.identity_key = identity_.public_key();
  auto all = checker();
  ASSERT_TRUE(*all.take(page(1, 5, 5)));
  const VerifiedLog log = std::move(all).finish();
  for (const bool json : {false, true}) {
    std::ostringstream out;
    const auto shown = show_and_keep(out, log, json, heads, party);
    ASSERT_FALSE(shown);
    EXPECT_NE(shown.error().message().find("cannot be kept"), std::string::npos) << shown.error().message();
    EXPECT_EQ(out.str(), json ? log_as_json(log) : log_as_table(log));
    EXPECT_NE(out.str().find("quarterly review"), std::string::npos) << out.str();
  }
  std::filesystem::remove(scratch.path() / "heads");
  std::ostringstream out;
  EXPECT_TRUE(show_and_keep(out, log, false, heads, party));
  EXPECT_EQ(must(heads.of(party))->seq, 5u);
}

TEST_F(Log, ReadHeadsAreKept) {
  const harness::Scratch scratch;
  const ReadHeads heads(scratch.path() / "config.toml");
  const TestTenant tenant;
  protocol::Party party = tenant.bundle.parameters()->parties[0];
  party.identity_key = identity_.public_key();
  EXPECT_FALSE(must(heads.of(party)));
  ASSERT_TRUE(heads.keep(party, must(LogHead::parse(head(4)))));
  EXPECT_EQ(must(heads.of(party))->seq, 4u);
  // Another agent with the same name has none.
  protocol::Party other = party;
  other.identity_key = protocol::SigningKey::generate(system_random()).public_key();
  EXPECT_FALSE(must(heads.of(other)));
  std::filesystem::copy_file(heads.file_of(party), heads.file_of(other));
  EXPECT_EQ(heads.of(other).error().code(), Code::altered);
}

// A damaged entry is known only by its hash, and may have been the one that records a loss.
TEST_F(Log, MayLackWhatADamagedEntryWouldSayIsLost) {
  auto entry = *LogEntry::parse(lines_[4].entry);
  entry.seq = 40;
  lines_[4] = {entry.encode(), protocol::sha256(entry.encode())};
  const auto page_of_all = [&] {
    LogReply reply = page(1, 5, 5);
    reply.head = LogHead::sign(40, 1'800'000'000'000, chain(5), identity_).encode();
    return reply;
  };
  expect_altered(page_of_all());
  const LogReply::Line fourth = lines_[3];
  lines_[3].entry.clear();
  auto all = checker();
  EXPECT_TRUE(*all.take(page_of_all()));
  EXPECT_EQ(std::move(all).finish().lost, 35u);
  // Only the next one.
  lines_[2].entry.clear();
  lines_[3] = fourth;
  expect_altered(page_of_all());
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
  EXPECT_FALSE(log.lost_what_was_read);
  EXPECT_NE(log_as_table(log).find("36 were lost"), std::string::npos);
  const LogHead read = LogHead::sign(17, 1'800'000'000'000, Digest{}, identity_);
  LogChecker again("cloud", identity_.public_key(), {read});
  EXPECT_TRUE(*again.take(page_with(protocol::EntryKind::store, 40)));
  const VerifiedLog since = std::move(again).finish();
  EXPECT_TRUE(since.lost_what_was_read);
  EXPECT_NE(log_as_table(since).find("among them some that were read here before"), std::string::npos);
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
