#include "protocol/message/chain.h"

#include <algorithm>
#include <set>

#include "protocol/message/fields.h"
#include "protocol/message/request.h"

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

std::optional<std::variant<Bytes, Refusal>> read_answer(Reader& r) {
  const auto kind = r.u8();
  if (kind == kReplied) {
    const auto reply = r.lp4();
    if (!reply || reply->empty()) return std::nullopt;
    return to_bytes(*reply);
  }
  if (kind != kRefused) return std::nullopt;
  auto refusal = Refusal::read(r);
  if (!refusal) return std::nullopt;
  return *std::move(refusal);
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
  if (encoded.size() > kMaxRequestSize) return malformed_chain("longer than 8 MiB");
  if (!r.literal(kForwardMagic)) return malformed_chain("not a forward message of version 1");
  const auto request = r.lp4();
  const auto count = r.u8();
  if (!request) return malformed_chain("field \"request\": cut off");
  if (!count || *count > kMaxParties) return malformed_chain("field \"visited\": not 0 to 16 parties");
  ForwardMessage message{.request = to_bytes(*request), .visited = {}, .budget_ms = 0};
  for (std::size_t i = 0; i < *count; ++i) {
    const auto party = r.array<33>();
    if (!party) return malformed_chain("field \"visited\": cut off");
    if (!is_ecdsa_public_key(*party))
      return malformed_chain("field \"visited\": party " + std::to_string(i + 1) + " is not a P-256 point");
    if (std::find(message.visited.begin(), message.visited.end(), *party) != message.visited.end())
      return malformed_chain("field \"visited\": party " + std::to_string(i + 1) + " is named twice");
    message.visited.push_back(*party);
  }
  const auto budget_ms = r.u32();
  if (!budget_ms) return malformed_chain("field \"budget_ms\": cut off");
  if (!r.empty()) return malformed_chain("something follows the last field");
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
      w.u8(kRefused).bytes(std::get<Refusal>(entry.answer).encode());
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
    if (!is_ecdsa_public_key(*party)) return malformed_chain("a party is not a P-256 point");
    if (!parties.insert(*party).second) return malformed_chain("a party is repeated");
    auto answer = read_answer(r);
    if (!answer) return malformed_chain("cut off, or a field is not of its form");
    list.entries.push_back({.party = *party, .answer = *std::move(answer)});
  }
  if (!r.empty()) return malformed_chain("something follows");
  return list;
}

}  // namespace coprotect::protocol
