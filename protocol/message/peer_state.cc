#include "protocol/message/peer_state.h"

#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kQuestion = "CPPQ\x01";
constexpr std::string_view kAnswer = "CPPR\x01";

Error malformed_peer_state(std::string_view what) {
  return {Code::malformed, "peer's state: " + std::string(what)};
}

Digest question_digest(ByteView signed_bytes) {
  return tagged_hash("CPV1-PEER-QUESTION", {sha256(signed_bytes)});
}
Digest answer_digest(ByteView signed_bytes) {
  return tagged_hash("CPV1-PEER-ANSWER", {sha256(signed_bytes)});
}

std::optional<ListKind> read_kind(Reader& r) {
  const auto kind = r.u8();
  if (!kind || *kind < static_cast<std::uint8_t>(ListKind::clients) ||
      *kind > static_cast<std::uint8_t>(ListKind::keys))
    return std::nullopt;
  return static_cast<ListKind>(*kind);
}

void write_state(Writer& w, const PeerState& state) {
  w.lp(state.head ? state.head->encode() : Bytes{});
  invariant(state.epochs.size() <= kMaxPeerKeys && state.serials.size() <= kMaxPeerKeys);
  w.u16(static_cast<std::uint16_t>(state.epochs.size()));
  invariant(state.said.size() == state.epochs.size());
  for (const auto& [key_id, epoch] : state.epochs) {
    const PeerState::Said& said = state.said.at(key_id);
    w.bytes(key_id).u32(epoch).u32(said.acknowledged).u32(said.decided);
  }
  w.u16(static_cast<std::uint16_t>(state.serials.size()));
  for (const auto& [list, serial] : state.serials)
    w.u8(static_cast<std::uint8_t>(list.first)).lp(list.second).u64(serial);
}

bool read_epochs(Reader& r, PeerState& state) {
  const auto count = r.u16();
  if (!count || *count > kMaxPeerKeys) return false;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto key_id = r.array<32>();
    const auto epoch = r.u32();
    const auto acknowledged = r.u32();
    const auto decided = r.u32();
    if (!key_id || !epoch || !acknowledged || !decided) return false;
    if (!state.epochs.empty() && state.epochs.rbegin()->first >= *key_id) return false;
    state.epochs.emplace_hint(state.epochs.end(), *key_id, *epoch);
    state.said.emplace_hint(state.said.end(), *key_id, PeerState::Said{*acknowledged, *decided});
  }
  return true;
}

bool read_serials(Reader& r, PeerState& state) {
  const auto count = r.u16();
  if (!count || *count > kMaxPeerKeys) return false;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto kind = read_kind(r);
    auto tenant = read_tenant(r);
    const auto serial = r.u64();
    if (!kind || !tenant || !serial) return false;
    PeerState::List list(*kind, *std::move(tenant));
    if (!state.serials.empty() && state.serials.rbegin()->first >= list) return false;
    state.serials.emplace_hint(state.serials.end(), std::move(list), *serial);
  }
  return true;
}

// The state of the agent with this identity.
Result<PeerState> read_state(Reader& r, const PublicKeyBytes& identity) {
  PeerState state;
  const auto head = r.lp();
  if (!head) return malformed_peer_state("cut off");
  if (!head->empty()) {
    auto parsed = LogHead::parse(*head);
    if (!parsed) return std::move(parsed).error();
    if (parsed->identity_key != identity)
      return Error(Code::unauthenticated, "peer's state: the head is another agent's");
    state.head = *std::move(parsed);
  }
  if (!read_epochs(r, state) || !read_serials(r, state))
    return malformed_peer_state("cut off, not in order, or a field is not of its form");
  return state;
}

// Checks that the rest is this key's signature over everything read before.
Status read_signature(Reader& r, ByteView encoded, const PublicKeyBytes& identity,
                      Digest (*digest)(ByteView)) {
  const ByteView signed_bytes = encoded.first(encoded.size() - r.size());
  const auto signature = r.array<64>();
  if (!signature || !r.empty()) return malformed_peer_state("cut off, or something follows");
  const auto key = VerifyKey::parse(identity);
  invariant(bool{key});
  if (!key->verify(digest(signed_bytes), *signature))
    return Error(Code::unauthenticated, "peer's state: signature does not hold");
  return Done{};
}

}  // namespace

Bytes PeerQuestion::sign(const SigningKey& identity) const {
  Writer w;
  w.literal(kQuestion).bytes(asker).bytes(asked).bytes(nonce).bytes(known);
  write_state(w, state);
  const Signature signature = identity.sign(question_digest(w.view()));
  w.bytes(signature);
  return std::move(w).take();
}

Result<PeerQuestion> PeerQuestion::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kQuestion)) return malformed_peer_state("not a question of version 1");
  const auto asker = read_public_key(r);
  const auto asked = read_public_key(r);
  const auto nonce = r.array<16>();
  const auto known = r.array<32>();
  if (!asker || !asked || !nonce || !known)
    return malformed_peer_state("cut off, or an identity key is not a P-256 point");
  auto state = read_state(r, *asker);
  if (!state) return std::move(state).error();
  if (auto held = read_signature(r, encoded, *asker, question_digest); !held) return std::move(held).error();
  return PeerQuestion{
      .asker = *asker, .asked = *asked, .nonce = *nonce, .known = *known, .state = *std::move(state)};
}

Bytes PeerAnswer::sign(const SigningKey& identity) const {
  invariant(lists.size() <= kMaxPeerKeys);
  Writer w;
  w.literal(kAnswer).bytes(answerer).bytes(question).lp4(remembered);
  w.u16(static_cast<std::uint16_t>(lists.size()));
  for (const SignedList& list : lists) w.u8(static_cast<std::uint8_t>(list.kind)).lp4(list.list);
  const Signature signature = identity.sign(answer_digest(w.view()));
  w.bytes(signature);
  return std::move(w).take();
}

Result<PeerAnswer> PeerAnswer::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kAnswer)) return malformed_peer_state("not an answer of version 1");
  const auto answerer = read_public_key(r);
  const auto question = r.array<32>();
  const auto remembered = r.lp4();
  const auto count = r.u16();
  if (!answerer || !question || !remembered || !count || *count > kMaxPeerKeys)
    return malformed_peer_state("cut off, or a field is not of its form");
  PeerAnswer answer{
      .answerer = *answerer, .question = *question, .remembered = to_bytes(*remembered), .lists = {}};
  for (std::size_t i = 0; i < *count; ++i) {
    const auto kind = read_kind(r);
    const auto list = r.lp4();
    if (!kind || !list) return malformed_peer_state("cut off, or a list of an unknown kind");
    answer.lists.push_back({.kind = *kind, .list = to_bytes(*list)});
  }
  if (auto held = read_signature(r, encoded, *answerer, answer_digest); !held) return std::move(held).error();
  return answer;
}

}  // namespace coprotect::protocol
