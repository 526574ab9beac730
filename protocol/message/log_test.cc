#include "protocol/message/log.h"

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

LogEntry make_entry() {
  return {.seq = 7,
          .time_ms = 1'800'000'000'000,
          .kind = EntryKind::result,
          .operation = static_cast<std::uint8_t>(Operation::handover),
          .tenant = "acme",
          .key_id = {1},
          .client = "coprotect:acme:user:alice",
          .request_id = {2},
          .request_hash = {3},
          .action = 1,
          .reason = "Prüfung",
          .outcome = "ok",
          .detail = "",
          .items = {{.c1_hash = {4}, .status = ItemStatus::done},
                    {.c1_hash = {5}, .status = ItemStatus::denied_by_file}},
          .handover = LogEntry::Step{.step = 4, .sid = {6}, .payload = {7}}};
}

TEST(LogEntry, IsReadBackAsItWas) {
  const Bytes encoded = make_entry().encode();
  const auto parsed = LogEntry::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->encode(), encoded);
  EXPECT_EQ(parsed->seq, 7u);
  EXPECT_EQ(parsed->kind, EntryKind::result);
  EXPECT_EQ(parsed->client, "coprotect:acme:user:alice");
  EXPECT_EQ(parsed->reason, "Prüfung");
  ASSERT_EQ(parsed->items.size(), 2u);
  EXPECT_EQ(parsed->items[1].status, ItemStatus::denied_by_file);
  EXPECT_EQ(parsed->operation, 5);
  EXPECT_EQ(parsed->handover, (LogEntry::Step{.step = 4, .sid = {6}, .payload = {7}}));
}

// Only an entry of a handover has a step.
TEST(LogEntry, SaysWhatWasAskedFor) {
  for (unsigned operation = 0; operation <= 255; ++operation) {
    LogEntry entry = make_entry();
    entry.operation = static_cast<std::uint8_t>(operation);
    if (operation != 5) entry.handover.reset();
    const auto parsed = LogEntry::parse(entry.encode());
    const bool known = operation <= 6 || (operation >= 16 && operation <= 25);
    EXPECT_EQ(static_cast<bool>(parsed), known) << operation;
    EXPECT_EQ(recorded_name(entry.operation) != "?", known) << operation;
  }
}

// One of the steps of a handover, or 0 if the agent read none.
TEST(LogEntry, HasAStepThatThereIs) {
  for (unsigned step = 0; step <= 255; ++step) {
    LogEntry entry = make_entry();
    entry.handover->step = static_cast<std::uint8_t>(step);
    EXPECT_EQ(static_cast<bool>(LogEntry::parse(entry.encode())), step <= 10) << step;
  }
}

TEST(LogEntry, EveryOtherLengthIsRefused) {
  Bytes encoded = make_entry().encode();
  for (std::size_t i = 0; i < encoded.size(); ++i)
    EXPECT_FALSE(LogEntry::parse(ByteView(encoded).first(i))) << i;
  encoded.push_back(0);
  EXPECT_FALSE(LogEntry::parse(encoded));
}

// Sets one field at a time to an invalid value.
TEST(LogEntry, FieldsHaveTheirForm) {
  const auto expect_refused = [](auto change) {
    LogEntry entry = make_entry();
    change(entry);
    EXPECT_FALSE(LogEntry::parse(entry.encode()));
  };
  expect_refused([](LogEntry& e) { e.seq = 0; });
  expect_refused([](LogEntry& e) { e.time_ms = -1; });
  expect_refused([](LogEntry& e) { e.kind = static_cast<EntryKind>(0); });
  expect_refused([](LogEntry& e) { e.kind = static_cast<EntryKind>(8); });
  expect_refused([](LogEntry& e) { e.tenant = "Acme"; });
  expect_refused([](LogEntry& e) { e.client = "al ice"; });
  expect_refused([](LogEntry& e) { e.action = 5; });
  expect_refused([](LogEntry& e) { e.reason = "\xff"; });
  expect_refused([](LogEntry& e) { e.outcome = "fine"; });
  expect_refused([](LogEntry& e) { e.detail = "\xc0\x80"; });
  expect_refused([](LogEntry& e) { e.items[0].status = static_cast<ItemStatus>(5); });
  Bytes other_version = make_entry().encode();
  other_version[0] = 2;
  EXPECT_FALSE(LogEntry::parse(other_version));
}

TEST(LogEntry, KnowsEveryOutcome) {
  for (const char* const outcome :
       {"ok", "malformed", "unauthenticated", "denied", "replayed", "stale", "not-found", "conflict",
        "altered", "bad-proof", "wrong-code", "locked-out", "limited", "unavailable", "internal"}) {
    LogEntry entry = make_entry();
    entry.outcome = outcome;
    EXPECT_TRUE(LogEntry::parse(entry.encode())) << outcome;
  }
}

TEST(LogEntry, ClientAndActionMayBeMissing) {
  LogEntry entry = make_entry();
  entry.client.clear();
  entry.action = 0;
  entry.items.clear();
  EXPECT_TRUE(LogEntry::parse(entry.encode()));
}

// Moving bytes across a field boundary makes another entry.
TEST(LogEntry, FieldsDoNotRunTogether) {
  LogEntry entry = make_entry();
  entry.reason = "ab";
  entry.detail = "c";
  LogEntry moved = entry;
  moved.reason = "a";
  moved.detail = "bc";
  EXPECT_NE(sha256(entry.encode()), sha256(moved.encode()));
}

TEST(LogChain, NamesEveryEntryInItsPlace) {
  const Digest a = sha256(bytes_of("a"));
  const Digest b = sha256(bytes_of("b"));
  const Digest ab = chain_next(chain_next({}, a), b);
  EXPECT_NE(ab, chain_next(chain_next({}, b), a));
  EXPECT_NE(ab, chain_next({}, b));
  // Written out from SPEC.md §1 and §7.3.
  Writer w;
  w.lp("CPV1-LOG").lp(Digest{}).lp(a);
  EXPECT_EQ(chain_next({}, a), sha256(w.view()));
}

TEST(LogHead, IsSignedByTheKeyThatItNames) {
  const SigningKey key = SigningKey::generate(system_random());
  const Bytes encoded = LogHead::sign(3, 1'800'000'000'000, {9}, key).encode();
  const auto parsed = LogHead::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->identity_key, key.public_key().bytes());
  EXPECT_EQ(parsed->seq, 3u);
  EXPECT_EQ(parsed->chain, Digest{9});
  EXPECT_EQ(parsed->encode(), encoded);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    EXPECT_FALSE(LogHead::parse(flipped)) << i;
    EXPECT_FALSE(LogHead::parse(ByteView(encoded).first(i))) << i;
  }
  Bytes longer = encoded;
  longer.push_back(0);
  EXPECT_FALSE(LogHead::parse(longer));
  Bytes forged = encoded;
  forged.back() ^= 1;
  EXPECT_EQ(LogHead::parse(forged).error().code(), Code::unauthenticated);
}

TEST(LogReply, GivesOtherTenantsEntriesAsHashes) {
  const Bytes entry = make_entry().encode();
  const LogReply reply{.head = {1, 2, 3},
                       .lines = {{.entry = entry, .hash = {}}, {.entry = {}, .hash = {8}}}};
  const Bytes encoded = reply.encode();
  const auto parsed = LogReply::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->head, reply.head);
  ASSERT_EQ(parsed->lines.size(), 2u);
  EXPECT_EQ(parsed->lines[0].entry, entry);
  EXPECT_EQ(parsed->lines[0].hash, sha256(entry));
  EXPECT_TRUE(parsed->lines[1].entry.empty());
  EXPECT_EQ(parsed->lines[1].hash, Digest{8});
  for (std::size_t i = 0; i < encoded.size(); ++i)
    EXPECT_FALSE(LogReply::parse(ByteView(encoded).first(i))) << i;
  Bytes longer = encoded;
  longer.push_back(0);
  EXPECT_FALSE(LogReply::parse(longer));
  Writer too_many;
  too_many.lp("head").u16(1001);
  for (int i = 0; i < 1001; ++i) too_many.u32(0).bytes(Digest{});
  EXPECT_FALSE(LogReply::parse(too_many.view()));
}

}  // namespace
}  // namespace coprotect::protocol
