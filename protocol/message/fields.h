#pragma once

#include <limits>
#include <optional>
#include <string>

#include "protocol/base/reader.h"
#include "protocol/base/text.h"
#include "protocol/base/writer.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

// Fields of SPEC.md §1 that several messages share.

inline std::optional<std::int64_t> read_time(Reader& r) {
  const auto value = r.u64();
  if (!value || *value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}
inline void write_time(Writer& w, std::int64_t time_ms) {
  w.u64(static_cast<std::uint64_t>(time_ms));
}

inline std::optional<std::string> read_text(Reader& r,
                                            std::size_t max = std::numeric_limits<std::uint16_t>::max()) {
  auto text = r.text();
  if (!text || text->size() > max || !valid_utf8(*text)) return std::nullopt;
  return text;
}
inline std::optional<std::string> read_tenant(Reader& r) {
  auto text = r.text();
  if (!text || !valid_tenant(*text)) return std::nullopt;
  return text;
}
inline std::optional<std::string> read_uri(Reader& r) {
  auto text = r.text();
  if (!text || !valid_uri(*text)) return std::nullopt;
  return text;
}

// An ECDSA key: a point (SPEC.md §1.3).
inline std::optional<PublicKeyBytes> read_public_key(Reader& r) {
  auto key = r.array<33>();
  if (!key || !is_ecdsa_public_key(*key)) return std::nullopt;
  return key;
}

// A u8 that is 0 or 1.
inline std::optional<bool> read_flag(Reader& r) {
  const auto flag = r.u8();
  if (!flag || *flag > 1) return std::nullopt;
  return *flag == 1;
}

inline Bytes to_bytes(ByteView view) {
  return {view.begin(), view.end()};
}

}  // namespace coprotect::protocol
