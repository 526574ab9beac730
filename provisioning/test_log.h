#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "protocol/crypto/hash.h"
#include "provisioning/log.h"

namespace coprotect::provisioning {

using protocol::LogEntry;
using protocol::LogHead;
using protocol::LogReply;

// A log of several entries, and its pages as an agent returns them.
class TestLog : public testing::Test {
 protected:
  TestLog() {
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

}  // namespace coprotect::provisioning
