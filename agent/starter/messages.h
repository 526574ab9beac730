#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::agent::starter {

// Limits on a program's arguments: their number, and the bytes of each. Linux accepts only shorter ones.
constexpr std::size_t kMostStrings = 64;
constexpr std::size_t kMaxString = std::size_t{128} << 10;

// How coprotect-starter's command line describes each program: two of these words, the number of arguments
// after the executable, the executable, and those arguments.
inline constexpr const char* kTakesMore = "more";
inline constexpr const char* kTakesNoMore = "no-more";
inline constexpr const char* kTakesEnvironment = "environment";
inline constexpr const char* kTakesNone = "none";

// An order from the custodian to coprotect-starter, over a channel of ipc/channel.h. Each order has one
// answer. The starter treats an order's bytes as hostile.
struct Order {
  enum class Kind : std::uint8_t {
    start = 1,  // carries one end of the new program's channel
    kill = 2,   // kill the program and its children
    reap = 3,   // after it has ended
    drop = 4,   // kill it, and reap it when it has ended
    end = 5,    // ask the program and its children to end
  };
  Kind kind;
  std::uint32_t pid = 0;  // to kill or reap
  // For start: as hsm::spawn() takes them. The custodian cannot choose the environment's content.
  std::uint32_t its_channel = 0;
  std::string executable{};
  std::vector<std::string> arguments{};

  Bytes encode() const;
  static Result<Order> parse(ByteView frame);
};

// Fixed in size, so that the custodian can allocate the buffer before it asks: an answer that it cannot read
// would end the starter.
constexpr std::size_t kMaxFailure = 1020;  // bytes
constexpr std::size_t kAnswerSize = 4 + kMaxFailure;

struct Answer {
  // The new process, whose handle comes with it; or how it ended, as waitpid() reports.
  std::uint32_t value = 0;
  // Why the order failed; empty if it succeeded. Cut at kMaxFailure.
  std::string failure{};

  ByteArray<kAnswerSize> encode() const;
  // Code::malformed if anything but zeros follows the text.
  static Result<Answer> parse(std::span<const std::uint8_t, kAnswerSize> frame);
};

}  // namespace coprotect::agent::starter
