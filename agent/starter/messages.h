#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::agent::starter {

// Of a program: how many arguments, and how long. Linux takes shorter ones.
constexpr std::size_t kMostStrings = 64;
constexpr std::size_t kMaxString = std::size_t{128} << 10;

// How coprotect-starter's command line describes each program: two of these words, how many arguments follow
// the executable, the executable, and those arguments.
inline constexpr const char* kTakesMore = "more";
inline constexpr const char* kTakesNoMore = "no-more";
inline constexpr const char* kTakesEnvironment = "environment";
inline constexpr const char* kTakesNone = "none";

// What the custodian asks of coprotect-starter, over a channel of ipc/channel.h; each order has one answer.
// The starter takes an order's bytes for hostile.
struct Order {
  enum class Kind : std::uint8_t {
    start = 1,  // with one end of the new program's channel
    kill = 2,   // the program and what it started
    reap = 3,   // once it has ended
    drop = 4,   // kill it, and reap it whenever it has ended
    end = 5,    // ask the program, and what it started, to end
  };
  Kind kind;
  std::uint32_t pid = 0;  // to kill or reap
  // To start, as hsm::spawn() takes them. What stands in its environment is not the custodian's to say.
  std::uint32_t its_channel = 0;
  std::string executable{};
  std::vector<std::string> arguments{};

  Bytes encode() const;
  static Result<Order> parse(ByteView frame);
};

// Of one size, so that the custodian has the room for it before it asks: an answer that it cannot read is
// the end of the starter.
constexpr std::size_t kMaxFailure = 1020;  // bytes
constexpr std::size_t kAnswerSize = 4 + kMaxFailure;

struct Answer {
  // The new process, which comes with its handle; or how it ended, as waitpid() tells.
  std::uint32_t value = 0;
  // Why not; empty if it was done. What is longer than kMaxFailure is cut.
  std::string failure{};

  ByteArray<kAnswerSize> encode() const;
  // Code::malformed if anything but zeros follows the words.
  static Result<Answer> parse(std::span<const std::uint8_t, kAnswerSize> frame);
};

}  // namespace coprotect::agent::starter
