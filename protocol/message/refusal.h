#pragma once

#include <optional>
#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/reader.h"
#include "protocol/base/result.h"

namespace coprotect::protocol {

// Why an agent refuses a request, in its own words (SPEC.md §7.2, §7.6).
struct Refusal {
  Code code;
  std::string detail;       // UTF-8, at most kMaxRefusalDetail bytes
  ByteArray<8> request_id;  // of the agent's log entry

  // The error's message as printable() returns it, truncated if it is too long.
  static Refusal of(const Error& error, const ByteArray<8>& request_id);
  // code (text) ‖ detail (text) ‖ request_id.
  Bytes encode() const;
  static std::optional<Refusal> read(Reader& r);
};
constexpr std::size_t kMaxRefusalDetail = 1000;

}  // namespace coprotect::protocol
