#include "agent/starter/messages.h"

#include <algorithm>
#include <optional>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::starter {
namespace {

void write_strings(Writer& w, const std::vector<std::string>& strings) {
  w.u16(static_cast<std::uint16_t>(strings.size()));
  for (const std::string& string : strings) w.lp4(bytes_of(string));
}

// Rejects a string that execve() would read as a shorter one.
std::optional<std::string> read_string(Reader& r) {
  const auto bytes = r.lp4();
  if (!bytes || bytes->size() > kMaxString || std::ranges::find(*bytes, 0) != bytes->end())
    return std::nullopt;
  return std::string(text_of(*bytes));
}

std::optional<std::vector<std::string>> read_strings(Reader& r) {
  const auto count = r.u16();
  if (!count || *count > kMostStrings) return std::nullopt;
  std::vector<std::string> strings;
  for (unsigned i = 0; i < *count; ++i) {
    auto string = read_string(r);
    if (!string) return std::nullopt;
    strings.push_back(*std::move(string));
  }
  return strings;
}

}  // namespace

Bytes Order::encode() const {
  Writer w;
  w.u8(static_cast<std::uint8_t>(kind)).u32(pid).u32(its_channel).lp4(bytes_of(executable));
  write_strings(w, arguments);
  return std::move(w).take();
}

Result<Order> Order::parse(ByteView frame) {
  Reader r(frame);
  const auto kind = r.u8();
  const auto pid = r.u32();
  const auto its_channel = r.u32();
  auto executable = read_string(r);
  auto arguments = read_strings(r);
  if (!kind || *kind < 1 || *kind > 5 || !pid || !its_channel || !executable || !arguments || !r.empty())
    return Error(Code::malformed, "not an order");
  return Order{.kind = static_cast<Kind>(*kind),
               .pid = *pid,
               .its_channel = *its_channel,
               .executable = *std::move(executable),
               .arguments = *std::move(arguments)};
}

ByteArray<kAnswerSize> Answer::encode() const {
  ByteArray<kAnswerSize> frame{};
  for (std::size_t i = 0; i < 4; ++i) frame[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  std::ranges::copy(bytes_of(failure).first(std::min(failure.size(), kMaxFailure)), frame.begin() + 4);
  return frame;
}

Result<Answer> Answer::parse(std::span<const std::uint8_t, kAnswerSize> frame) {
  Reader r(frame);
  const std::uint32_t value = *r.u32();
  const ByteView words = frame.subspan(4);
  const auto end = std::ranges::find(words, 0);
  if (std::any_of(end, words.end(), [](std::uint8_t byte) { return byte != 0; }))
    return Error(Code::malformed, "not the starter's answer");
  return Answer{.value = value, .failure = std::string(words.begin(), end)};
}

}  // namespace coprotect::agent::starter
