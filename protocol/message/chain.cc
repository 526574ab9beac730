#include "protocol/message/chain.h"

#include <set>

#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kForwardMagic = "CPFW\x01";
constexpr std::string_view kChainReplyMagic = "CPRL\x01";
constexpr std::size_t kMaxParties = 16;
constexpr std::uint8_t kRefused = 0;
constexpr std::uint8_t kReplied = 1;

Error malformed_chain(std::string_view what) {
  return {Code::malformed, "chain: " + std::string(what)};
}

std::optional<Code> read_code(Reader& r) {
  const auto name = r.text();
  for (int number = 0; name && number <= static_cast<int>(Code::internal); ++number)
    if (code_name(static_cast<Code>(number)) == *name) return static_cast<Code>(number);
  return std::nullopt;
}

std::optional<std::variant<Bytes, ChainRefusal>> read_answer(Reader& r) {
  const auto kind = r.u8();
  if (kind == kReplied) {
    const auto reply = r.lp4();
    if (!reply || reply->empty()) return std::nullopt;
    return to_bytes(*reply);
  }
  if (kind != kRefused) return std::nullopt;
  const auto code = read_code(r);
  auto detail = read_text(r, kMaxChainDetail);
  const auto request_id = r.array<8>();
  if (!code || !detail || !request_id) return std::nullopt;
  return ChainRefusal{.code = *code, .detail = *std::move(detail), .request_id = *request_id};
}

}  // namespace

Bytes ForwardMessage::encode() const {
  Writer w;
  w.literal(kForwardMagic).lp4(request).u8(static_cast<std::uint8_t>(visited.size()));
  for (const PublicKeyBytes& party : visited) w.bytes(party);
  w.u32(budget_ms);
  return std::move(w).take();
}

Result<ForwardMessage> ForwardMessage::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kForwardMagic)) return malformed_chain("not a forward message of version 1");
  const auto request = r.lp4();
  const auto count = r.u8();
  if (!request || !count || *count > kMaxParties) return malformed_chain("cut off, or more than 16 parties");
  ForwardMessage message{.request = to_bytes(*request), .visited = {}, .budget_ms = 0};
  for (std::size_t i = 0; i < *count; ++i) {
    const auto party = r.array<33>();
    if (!party) return malformed_chain("cut off");
    message.visited.push_back(*party);
  }
  const auto budget_ms = r.u32();
  if (!budget_ms || !r.empty()) return malformed_chain("cut off, or something follows");
  message.budget_ms = *budget_ms;
  return message;
}

Bytes ChainReply::encode() const {
  Writer w;
  w.literal(kChainReplyMagic).u8(static_cast<std::uint8_t>(entries.size()));
  for (const Entry& entry : entries) {
    w.bytes(entry.party);
    if (const auto* const reply = std::get_if<Bytes>(&entry.answer)) {
      w.u8(kReplied).lp4(*reply);
    } else {
      const auto& refusal = std::get<ChainRefusal>(entry.answer);
      w.u8(kRefused).lp(code_name(refusal.code)).lp(refusal.detail).bytes(refusal.request_id);
    }
  }
  return std::move(w).take();
}

Result<ChainReply> ChainReply::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kChainReplyMagic)) return malformed_chain("not a list of replies of version 1");
  const auto count = r.u8();
  if (!count || *count == 0 || *count > kMaxParties) return malformed_chain("not 1 to 16 replies");
  ChainReply list;
  std::set<PublicKeyBytes> parties;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto party = r.array<33>();
    if (!party) return malformed_chain("cut off");
    if (!parties.insert(*party).second) return malformed_chain("a party is repeated");
    auto answer = read_answer(r);
    if (!answer) return malformed_chain("cut off, or a field is not of its form");
    list.entries.push_back({.party = *party, .answer = *std::move(answer)});
  }
  if (!r.empty()) return malformed_chain("something follows");
  return list;
}

std::string chain_detail(std::string_view message) {
  if (!valid_utf8(message)) return "?";
  std::string detail;
  for (const char c : message) {
    const bool lead = (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // never cut inside a character
    if (lead && detail.size() + 4 > kMaxChainDetail) break;
    detail += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return detail;
}

}  // namespace coprotect::protocol
