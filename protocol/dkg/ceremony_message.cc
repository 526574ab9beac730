#include "protocol/dkg/ceremony_message.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kMessageMagic = "CPCM\x01";
constexpr std::size_t kSignatureSize = 64;

Bytes signed_part(Round round, const Sid& sid, std::uint8_t sender, ByteView body) {
  Writer w;
  w.literal(kMessageMagic).u8(static_cast<std::uint8_t>(round)).bytes(sid).u8(sender).lp4(body);
  return std::move(w).take();
}

}  // namespace

Digest ceremony_signing_digest(Round round, const Sid& sid, std::uint8_t sender, ByteView body) {
  return tagged_hash("CPV1-CEREMONY", {sha256(signed_part(round, sid, sender, body))});
}

Bytes CeremonyMessage::encode() const {
  Bytes encoded = signed_part(round, sid, sender, body);
  encoded.insert(encoded.end(), signature.begin(), signature.end());
  return encoded;
}

CeremonyMessage CeremonyMessage::sign(Round round, const Sid& sid, std::uint8_t sender, Bytes body,
                                      const SigningKey& key) {
  const Signature signature = key.sign(ceremony_signing_digest(round, sid, sender, body));
  return {.round = round, .sid = sid, .sender = sender, .body = std::move(body), .signature = signature};
}

Result<CeremonyMessage> CeremonyMessage::parse(ByteView encoded, Round expected,
                                               const Parameters& parameters) {
  Reader r(encoded);
  if (!r.literal(kMessageMagic)) return Error(Code::malformed, "ceremony message: not of version 1");
  const auto round = r.u8();
  const auto sid = r.array<32>();
  const auto sender = r.u8();
  const auto body = r.lp4();
  const auto signature = r.array<kSignatureSize>();
  if (!round || !sid || !sender || !body || !signature || !r.empty()) {
    return Error(Code::malformed, "ceremony message: cut off, or something follows");
  }
  if (*sender >= parameters->parties.size()) {
    return Error(Code::malformed, "ceremony message: no party has position " + std::to_string(*sender));
  }
  const Party& party = parameters->parties[*sender];
  const std::string who = party_label(party);
  if (*sid != parameters.sid()) return Error(Code::conflict, who + ": message is of another ceremony");
  if (*round != static_cast<std::uint8_t>(expected)) {
    return Error(Code::conflict, who + ": message is of round " + std::to_string(*round) + ", not " +
                                     std::to_string(static_cast<int>(expected)));
  }
  CeremonyMessage message{.round = expected,
                          .sid = *sid,
                          .sender = *sender,
                          .body = Bytes(body->begin(), body->end()),
                          .signature = *signature};
  if (!party.identity_key.verify(ceremony_signing_digest(expected, *sid, *sender, message.body),
                                 *signature)) {
    return Error(Code::unauthenticated, who + ": message is not signed with the party's identity key");
  }
  return message;
}

Result<std::vector<CeremonyMessage>> collect_round(std::span<const Bytes> encoded, Round round,
                                                   const Parameters& parameters) {
  const std::vector<Party>& parties = parameters->parties;
  std::vector<std::optional<CeremonyMessage>> found(parties.size());
  for (const Bytes& one : encoded) {
    auto message = CeremonyMessage::parse(one, round, parameters);
    if (!message) return std::move(message).error();
    auto& place = found[message->sender];
    if (place && place->body != message->body) {
      return Error(Code::bad_proof, party_label(parties[message->sender]) +
                                        ": two different messages of round " +
                                        std::to_string(static_cast<int>(round)));
    }
    place = *std::move(message);
  }
  std::vector<CeremonyMessage> messages;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) {
      return Error(Code::malformed, party_label(parties[i]) + ": no message of round " +
                                        std::to_string(static_cast<int>(round)));
    }
    messages.push_back(*std::move(found[i]));
  }
  return messages;
}

}  // namespace coprotect::protocol
