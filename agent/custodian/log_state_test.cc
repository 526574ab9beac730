#include "agent/custodian/log_state.h"

#include <gtest/gtest.h>

#include <random>

#include "agent/custodian/drills.h"

// A start from what is kept of a log finds what a start from all of it finds.
namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::LogEntry;
using protocol::Operation;

constexpr std::int64_t kDay = std::int64_t{24} * 60 * 60 * 1000;

LogEntry entry_at(std::uint64_t seq, EntryKind kind, Operation operation) {
  LogEntry entry{};
  entry.seq = seq;
  entry.time_ms = static_cast<std::int64_t>(seq) * kDay / 7;
  entry.kind = kind;
  entry.operation = static_cast<std::uint8_t>(operation);
  entry.tenant = "acme";
  entry.outcome = "ok";
  return entry;
}

// One of all that a start looks at, and of some that it does not.
LogEntry some_entry(std::uint64_t seq, std::mt19937& random) {
  auto entry = entry_at(seq, EntryKind::intent, Operation::partial_decrypt);
  const std::string client = random() % 2 ? "alice" : "bob";
  switch (random() % 9) {
    case 0:
      entry.kind = EntryKind::result;
      break;
    case 1:
      entry.operation = static_cast<std::uint8_t>(Operation::derive);
      break;
    case 2:
      entry.action = static_cast<std::uint8_t>(protocol::Action::recover);
      break;
    case 3:
      entry = entry_at(seq, EntryKind::ceremony, Operation::handover);
      entry.detail = "activate" + std::string(random() % 2 ? Drills::kCodeRenewed : Drills::kCodeTakenBack);
      break;
    case 4:
      entry = entry_at(seq, EntryKind::ceremony, Operation::handover);
      entry.detail = "activate" + std::string(random() % 2 ? Caps::kRefresh : Caps::kVoid);
      break;
    case 5:
    case 6:
      entry = entry_at(seq, EntryKind::result, Operation::drill_report);
      entry.detail = "drill-report: " + std::string(random() % 2 ? "passed" : "failed") + " 3 of 3" +
                     std::string(random() % 2 ? Drills::kCodeOpened : "");
      break;
    default:
      break;
  }
  if (entry.operation == static_cast<std::uint8_t>(Operation::handover)) entry.handover = LogEntry::Step{};
  if (entry.kind == EntryKind::intent) entry.items = {{.c1_hash = {}, .status = protocol::ItemStatus::done}};
  entry.client = "coprotect:acme:user:" + client;
  entry.key_id = {static_cast<std::uint8_t>(random() % 2)};
  return entry;
}

struct Start {
  Caps caps;
  Drills drills;

  void visit(const LogEntry& entry) {
    caps.count(entry);
    drills.count(entry);
  }
  std::string found() const {
    Writer w;
    caps.write(w);
    std::string text = to_hex(w.view());
    for (std::uint8_t key = 0; key < 2; ++key) {
      text += " opened " + std::to_string(drills.code_opened_ms({key}).value_or(-1));
      text += " passed " + std::to_string(drills.last_passed_ms({key}).value_or(-1));
    }
    return text;
  }
};

TEST(LogState, FindsWhatAWholeLogHas) {
  std::mt19937 random(7);
  for (int run = 0; run < 60; ++run) {
    std::vector<LogEntry> log;
    for (std::uint64_t seq = 1; seq <= 40; ++seq) log.push_back(some_entry(seq, random));
    Start whole;
    for (const auto& entry : log) whole.visit(entry);

    // Cut twice, at any places.
    const std::size_t first = random() % 20;
    const std::size_t second = first + random() % 20;
    LogState state;
    for (std::size_t i = 0; i < first; ++i) state.visit(log[i]);
    auto again = LogState::parse(state.encode());
    ASSERT_TRUE(again) << again.error().message();
    for (std::size_t i = first; i < second; ++i) again->visit(log[i]);
    const auto kept = LogState::parse(again->encode());
    ASSERT_TRUE(kept) << kept.error().message();

    Start cut;
    cut.caps.take_counts_of(kept->caps());
    kept->replay([&](const LogEntry& entry) { cut.drills.count(entry); });
    for (std::size_t i = second; i < log.size(); ++i) cut.visit(log[i]);
    EXPECT_EQ(cut.found(), whole.found()) << "run " << run;
  }
}

TEST(LogState, KeepsTheNewestOfEachKindOnly) {
  LogState state;
  for (std::uint64_t seq = 1; seq <= 100; ++seq) {
    auto list = entry_at(seq, EntryKind::client_list, Operation{0});
    list.tenant = seq % 2 ? "acme" : "globex";
    state.visit(list);
    state.visit(entry_at(seq, EntryKind::refusal, Operation::log));
  }
  std::vector<std::uint64_t> kept;
  state.replay([&](const LogEntry& entry) { kept.push_back(entry.seq); });
  EXPECT_EQ(kept, (std::vector<std::uint64_t>{99, 100}));
}

// An older statement that was recorded later, from a log that lacked the newer one, counts for nothing.
TEST(LogState, KeepsTheHoldOfTheGreatestNumber) {
  LogState state;
  const auto said = [&](std::uint64_t seq, protocol::Recorded what, std::uint8_t number) {
    auto entry = entry_at(seq, EntryKind::key_list, static_cast<Operation>(what));
    entry.request_id.back() = number;
    state.visit(entry);
  };
  const auto kept = [&] {
    std::vector<std::uint64_t> all;
    state.replay([&](const LogEntry& entry) { all.push_back(entry.seq); });
    return all;
  };
  said(1, protocol::Recorded::hold_erasure, 3);
  said(2, protocol::Recorded::release_erasure, 2);
  EXPECT_EQ(kept(), std::vector<std::uint64_t>{1});
  said(3, protocol::Recorded::release_erasure, 4);
  EXPECT_EQ(kept(), std::vector<std::uint64_t>{3});
}

TEST(LogState, WithAnotherFormIsRefused) {
  LogState state;
  std::mt19937 random(1);
  for (std::uint64_t seq = 1; seq <= 20; ++seq) state.visit(some_entry(seq, random));
  state.heard.insert(protocol::PublicKeyBytes{2});
  const Bytes encoded = state.encode();
  EXPECT_EQ(LogState::parse(encoded)->encode(), encoded);
  for (std::size_t i = 0; i < encoded.size(); ++i)
    EXPECT_FALSE(LogState::parse(ByteView(encoded).first(i))) << i;
}

}  // namespace
}  // namespace coprotect::agent::custodian
