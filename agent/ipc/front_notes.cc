// The frames of a front other than calls.

#include "agent/ipc/messages.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::ipc {

Bytes GivenUp::encode() const {
  Writer w;
  w.u8(static_cast<std::uint8_t>(Kind::given_up));
  w.u64(id);
  return std::move(w).take();
}

Result<GivenUp> GivenUp::parse(ByteView frame) {
  Reader r(frame);
  const bool is_one = r.u8() == static_cast<std::uint8_t>(Kind::given_up);
  const auto id = r.u64();
  if (!is_one || !id || !r.empty()) return Error(Code::malformed, "not a call that was given up");
  return GivenUp{*id};
}

void Usage::add(const Usage& other) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].use += other.all[i].use;
    all[i].hits += other.all[i].hits;
  }
}

Usage Usage::past() const {
  Usage hits = *this;
  for (Of& of : hits.all) of.use = 0;
  return hits;
}

Bytes Usage::encode() const {
  Writer w;
  w.u8(static_cast<std::uint8_t>(Kind::usage));
  for (const Of& of : all) w.u64(of.use).u64(of.hits);
  return std::move(w).take();
}

Result<Usage> Usage::parse(ByteView frame) {
  Reader r(frame);
  const bool is_one = r.u8() == static_cast<std::uint8_t>(Kind::usage);
  Usage usage;
  bool whole = true;
  for (Of& of : usage.all) {
    const auto use = r.u64();
    const auto hits = r.u64();
    whole = whole && use && hits;
    of = {use.value_or(0), hits.value_or(0)};
  }
  if (!is_one || !whole || !r.empty()) return Error(Code::malformed, "not the use of limits");
  return usage;
}

}  // namespace coprotect::agent::ipc
