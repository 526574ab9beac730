#include "protocol/message/refusal.h"

#include "protocol/base/text.h"
#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

std::optional<Code> read_code(Reader& r) {
  const auto name = r.text();
  for (int number = 0; name && number <= static_cast<int>(Code::internal); ++number)
    if (code_name(static_cast<Code>(number)) == *name) return static_cast<Code>(number);
  return std::nullopt;
}

std::string printable_detail(std::string_view message) {
  return std::string(beginning_of(printable(message), kMaxRefusalDetail));
}

}  // namespace

Refusal Refusal::of(const Error& error, const ByteArray<8>& request_id) {
  return {.code = error.code(), .detail = printable_detail(error.message()), .request_id = request_id};
}

Bytes Refusal::encode() const {
  Writer w;
  w.lp(code_name(code)).lp(detail).bytes(request_id);
  return std::move(w).take();
}

std::optional<Refusal> Refusal::read(Reader& r) {
  const auto code = read_code(r);
  auto detail = read_text(r, kMaxRefusalDetail);
  const auto request_id = r.array<8>();
  if (!code || !detail || !request_id) return std::nullopt;
  return Refusal{.code = *code, .detail = *std::move(detail), .request_id = *request_id};
}

}  // namespace coprotect::protocol
