#include "protocol/bundle/bundle.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kGeneration = "CPBN\x01";
constexpr std::string_view kChain = "CPBN\x02";

Error malformed(std::string_view what) {
  return {Code::malformed, "bundle: " + std::string(what)};
}

// A bundle's record of one party.
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
                                                  static_cast<std::uint8_t>(i), transcript.confirm_body());
    if (!party.identity_key.verify(digest, signatures[i])) {
      return Error(Code::unauthenticated, "bundle: " + party_label(party) + " did not sign this key");
    }
  }
  return Done{};
}

// A bundle with versions: the key generation's bundle, followed by the versions.
Bytes encode_chain(ByteView generation, const std::vector<Bytes>& versions) {
  Writer w;
  w.literal(kChain).lp4(generation).u16(static_cast<std::uint16_t>(versions.size()));
  for (const Bytes& version : versions) w.lp4(version);
  return std::move(w).take();
}

constexpr std::size_t kMaxVersions = 65'535;

}  // namespace

Bundle::Bundle(Sharing sharing, PublicKey public_key, Bytes generation)
    : sharing_(std::make_shared<const Sharing>(std::move(sharing))),
      public_key_(std::make_shared<const PublicKey>(std::move(public_key))),
      generation_(std::move(generation)),
      hashes_{sharing_->key_id},
      encoded_(generation_) {}

Result<Bundle> Bundle::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kChain)) return parse_generation(encoded);
  const auto generation = r.lp4();
  const auto count = r.u16();
  if (!generation || !count || *count == 0) return malformed("cut off before the versions");
  auto bundle = parse_generation(*generation);
  if (!bundle) return bundle;
  // Encoded once at the end, so that a chain of many versions is parsed in linear time.
  for (unsigned i = 0; i < *count; ++i) {
    const auto version = r.lp4();
    if (!version) return malformed("cut off in version " + std::to_string(i + 1));
    if (auto taken = bundle->take(*version); !taken)
      return std::move(taken).error().in("bundle: version " + std::to_string(i + 1));
  }
  if (!r.empty()) return malformed("something follows");
  bundle->encoded_.assign(encoded.begin(), encoded.end());
  return bundle;
}

Status Bundle::take(ByteView encoded) {
  if (versions_.size() >= kMaxVersions) return malformed("too many versions");
  auto version = HandoverVersion::parse(encoded, *sharing_, newest_hash());
  if (!version) return std::move(version).error();
  before_ = std::move(sharing_);
  sharing_ = std::make_shared<const Sharing>(version->transcript.sharing());
  handovers_.push_back(sharing_->sid);
  versions_.push_back(std::move(version->encoded));
  hashes_.push_back(version->transcript.hash());
  return Done{};
}

Result<Bundle> Bundle::followed_by(ByteView version) const {
  Bundle next = *this;
  if (auto taken = next.take(version); !taken) return std::move(taken).error();
  next.encoded_ = encode_chain(next.generation_, next.versions_);
  return next;
}

Bundle Bundle::with_versions(std::size_t count) const {
  invariant(count <= versions_.size());
  const std::vector<Bytes> kept(versions_.begin(), versions_.begin() + static_cast<std::ptrdiff_t>(count));
  auto earlier = parse(kept.empty() ? generation_ : encode_chain(generation_, kept));
  invariant(bool{earlier});
  return *std::move(earlier);
}

bool Bundle::extends(const Bundle& older) const {
  return hashes_.size() >= older.hashes_.size() &&
         std::equal(older.hashes_.begin(), older.hashes_.end(), hashes_.begin());
}

bool Bundle::includes(const Sid& handover) const {
  return std::find(handovers_.begin(), handovers_.end(), handover) != handovers_.end();
}

Result<Bundle> Bundle::parse_generation(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kGeneration)) return malformed("not of a known version");
  if (r.u32() != 0) return malformed("a key generation of another epoch than 0");
  const auto encoded_parameters = r.lp4();
  if (!encoded_parameters) return malformed("cut off in the parameters");
  auto parameters = Parameters::parse(*encoded_parameters);
  if (!parameters) return std::move(parameters).error().in("bundle");
  const auto parts_hash = r.array<32>();
  if (!parts_hash) return malformed("cut off after the parameters");
  if (!parameters->recovery_party() && *parts_hash != Digest{})
    return malformed("recovery parts of a key without a recovery party");
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

  auto transcript = PublicTranscript::make(*std::move(parameters), std::move(rounds), *parts_hash);
  if (!transcript) return std::move(transcript).error().in("bundle");
  if (auto checked = check_confirms(*transcript, signatures); !checked) return std::move(checked).error();
  auto public_key = PublicKey::make(transcript->h());
  if (!public_key) return std::move(public_key).error().in("bundle");
  return Bundle(transcript->sharing(), *std::move(public_key), Bytes(encoded.begin(), encoded.end()));
}

Result<Bundle> Bundle::assemble(const PublicTranscript& transcript, std::span<const Bytes> confirms) {
  const Parameters& parameters = transcript.parameters();
  const auto messages = collect_round(confirms, Round::confirm, parameters);
  if (!messages) return messages.error();
  Writer w;
  w.literal(kGeneration).u32(0).lp4(parameters.encoded()).bytes(transcript.parts_hash());
  w.u8(static_cast<std::uint8_t>(messages->size()));
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const CeremonyMessage& confirmed = (*messages)[i];
    if (confirmed.body != transcript.confirm_body()) {
      return Error(Code::bad_proof, party_label(parameters->parties[i]) + ": confirms another key");
    }
    const PublicTranscript::PartyRounds& rounds = transcript.rounds()[i];
    w.lp4(rounds.commit_body).lp4(rounds.reveal_body).bytes(rounds.deal_hash).bytes(confirmed.signature);
  }
  // Parsed as every client will parse it, so that an agent never activates a bundle that a client would
  // reject.
  return parse(w.view());
}

}  // namespace coprotect::protocol
