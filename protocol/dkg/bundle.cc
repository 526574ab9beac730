#include "protocol/dkg/bundle.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kMagic = "CPBN\x01";

Error malformed(std::string_view what) {
  return {Code::malformed, "bundle: " + std::string(what)};
}

// What a bundle says of one party.
struct PartyRecord {
  PublicTranscript::PartyRounds rounds;
  Signature confirm_signature;
};

std::optional<PartyRecord> read_party(Reader& r) {
  const auto commit_body = r.lp4();
  const auto reveal_body = r.lp4();
  const auto deal_hash = r.array<32>();
  const auto signature = r.array<64>();
  if (!commit_body || !reveal_body || !deal_hash || !signature) return std::nullopt;
  return PartyRecord{.rounds = {.commit_body = Bytes(commit_body->begin(), commit_body->end()),
                                .reveal_body = Bytes(reveal_body->begin(), reveal_body->end()),
                                .deal_hash = *deal_hash},
                     .confirm_signature = *signature};
}

Status check_confirms(const PublicTranscript& transcript, const std::vector<Signature>& signatures) {
  const Parameters& parameters = transcript.parameters();
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    const Party& party = parameters->parties[i];
    const Digest digest = ceremony_signing_digest(Round::confirm, parameters.sid(),
                                                  static_cast<std::uint8_t>(i), transcript.key_id());
    if (!party.identity_key.verify(digest, signatures[i])) {
      return Error(Code::unauthenticated, "bundle: " + party_label(party) + " did not sign this key");
    }
  }
  return Done{};
}

}  // namespace

Result<Bundle> Bundle::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kMagic)) return malformed("not of version 1");
  if (r.u32() != 0) return malformed("unknown epoch");
  const auto encoded_parameters = r.lp4();
  if (!encoded_parameters) return malformed("cut off in the parameters");
  auto parameters = Parameters::parse(*encoded_parameters);
  if (!parameters) return std::move(parameters).error().in("bundle");
  if (r.u8() != (*parameters)->parties.size()) return malformed("not one record for each party");
  std::vector<PublicTranscript::PartyRounds> rounds;
  std::vector<Signature> signatures;
  for (const Party& party : (*parameters)->parties) {
    auto record = read_party(r);
    if (!record) return malformed("cut off at " + party_label(party));
    rounds.push_back(std::move(record->rounds));
    signatures.push_back(record->confirm_signature);
  }
  if (!r.empty()) return malformed("something follows");

  auto transcript = PublicTranscript::make(*std::move(parameters), std::move(rounds));
  if (!transcript) return std::move(transcript).error().in("bundle");
  if (auto checked = check_confirms(*transcript, signatures); !checked) return std::move(checked).error();
  auto public_key = PublicKey::make(transcript->h());
  if (!public_key) return std::move(public_key).error().in("bundle");
  return Bundle(std::make_shared<const PublicTranscript>(*std::move(transcript)),
                std::make_shared<const PublicKey>(*std::move(public_key)),
                Bytes(encoded.begin(), encoded.end()));
}

Result<Bundle> Bundle::assemble(const PublicTranscript& transcript, std::span<const Bytes> confirms) {
  const Parameters& parameters = transcript.parameters();
  const auto messages = collect_round(confirms, Round::confirm, parameters);
  if (!messages) return messages.error();
  Writer w;
  w.literal(kMagic).u32(0).lp4(parameters.encoded()).u8(static_cast<std::uint8_t>(messages->size()));
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const CeremonyMessage& confirmed = (*messages)[i];
    if (!std::ranges::equal(confirmed.body, transcript.key_id())) {
      return Error(Code::bad_proof, party_label(parameters->parties[i]) + ": confirms another key");
    }
    const PublicTranscript::PartyRounds& rounds = transcript.rounds()[i];
    w.lp4(rounds.commit_body).lp4(rounds.reveal_body).bytes(rounds.deal_hash).bytes(confirmed.signature);
  }
  // Read back as every client will read it, so that an agent never activates what a client would refuse.
  return parse(w.view());
}

}  // namespace coprotect::protocol
