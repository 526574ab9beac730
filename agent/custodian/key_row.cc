#include "agent/custodian/key_row.h"

#include <limits>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::Bundle;
using protocol::Parameters;
using protocol::PublicTranscript;

const Error& not_a_key() {
  static const Error error(Code::altered, "not a key");
  return error;
}

Result<PublicTranscript> parse_transcript(ByteView encoded) {
  Reader r(encoded);
  const auto r0 = r.lp4();
  if (!r0) return not_a_key();
  auto parameters = Parameters::parse(*r0);
  if (!parameters) return std::move(parameters).error();
  std::vector<PublicTranscript::PartyRounds> rounds;
  for (std::size_t party = 0; party < (*parameters)->parties.size(); ++party) {
    const auto commit = r.lp4();
    const auto reveal = r.lp4();
    const auto deal_hash = r.array<32>();
    if (!commit || !reveal || !deal_hash) return not_a_key();
    rounds.push_back(
        {Bytes(commit->begin(), commit->end()), Bytes(reveal->begin(), reveal->end()), *deal_hash});
  }
  const auto parts_hash = r.array<32>();
  if (!parts_hash || !r.empty()) return not_a_key();
  return PublicTranscript::make(*std::move(parameters), std::move(rounds), *parts_hash);
}

Bytes encode_shares(const std::map<std::uint8_t, Bytes>& shares) {
  Writer w;
  w.u8(static_cast<std::uint8_t>(shares.size()));
  for (const auto& [index, record] : shares) w.u8(index).lp4(record);
  return std::move(w).take();
}

std::optional<std::map<std::uint8_t, Bytes>> parse_shares(ByteView encoded) {
  Reader r(encoded);
  std::map<std::uint8_t, Bytes> shares;
  const auto count = r.u8();
  if (!count) return std::nullopt;
  for (std::uint8_t i = 0; i < *count; ++i) {
    const auto index = r.u8();
    const auto record = r.lp4();
    if (!index || !record) return std::nullopt;
    shares.emplace(*index, Bytes(record->begin(), record->end()));
  }
  if (!r.empty() || shares.size() != *count) return std::nullopt;
  return shares;
}

Bytes row_bytes(ByteView view) {
  return {view.begin(), view.end()};
}

bool known_state(std::int64_t state) {
  return state >= static_cast<std::int64_t>(KeyState::prepared) &&
         state <= static_cast<std::int64_t>(KeyState::shelved);
}

// The sharing that a prepared key will have.
Result<protocol::Sharing> parse_preparation(ByteView preparation, std::int64_t epoch) {
  if (epoch == 0) {
    const auto transcript = parse_transcript(preparation);
    if (!transcript) return transcript.error();
    return transcript->sharing();
  }
  const auto prepared = parse_prepared_handover(preparation);
  if (!prepared) return prepared.error();
  return prepared->transcript.sharing();
}

}  // namespace

Bytes encode_preparation(const PublicTranscript& transcript) {
  Writer w;
  w.lp4(transcript.parameters().encoded());
  for (const auto& party : transcript.rounds())
    w.lp4(party.commit_body).lp4(party.reveal_body).bytes(party.deal_hash);
  w.bytes(transcript.parts_hash());
  return std::move(w).take();
}

Bytes encode_preparation(const Bundle& before, const protocol::HandoverTranscript& transcript) {
  Writer w;
  w.lp4(before.encoded()).bytes(transcript.body());
  return std::move(w).take();
}

Result<PreparedHandover> parse_prepared_handover(ByteView preparation) {
  Reader r(preparation);
  const auto encoded = r.lp4();
  if (!encoded) return not_a_key();
  auto before = Bundle::parse(*encoded);
  if (!before) return std::move(before).error();
  auto transcript = protocol::HandoverTranscript::parse(r.rest(), before->sharing(), before->newest_hash());
  if (!transcript) return std::move(transcript).error();
  return PreparedHandover{*std::move(before), *std::move(transcript)};
}

KeyRow KeyRow::of(const Key& key) {
  return {
      .key_id = row_bytes(key.key_id()),
      .sid = row_bytes(key.sid()),
      .invitation = row_bytes(key.invitation),
      .state = static_cast<std::int64_t>(key.state),
      .epoch = key.epoch(),
      .description = key.bundle ? key.bundle->encoded() : key.preparation,
      .shares = encode_shares(key.shares),
      .recovery_blob = key.recovery_blob,
      .recovery_parts = key.recovery_parts,
      .decided = key.decided,
      .acknowledgements = protocol::encode_statements(key.acknowledgements),
  };
}

Bytes KeyRow::authenticated() const {
  Writer w;
  w.literal("CPV1-ROW-KEY").lp4(key_id).lp4(sid).lp4(invitation);
  w.u64(static_cast<std::uint64_t>(state)).u64(static_cast<std::uint64_t>(epoch));
  w.lp4(description).lp4(shares).lp4(recovery_blob);
  w.lp4(recovery_parts).u64(static_cast<std::uint64_t>(decided)).lp4(acknowledgements);
  return std::move(w).take();
}

Result<Key> KeyRow::parse(const protocol::VerifyKey& identity) const {
  protocol::InvitationId invitation_id{};
  auto sealed = parse_shares(shares);
  auto acknowledged = protocol::parse_statements(acknowledgements);
  if (!acknowledged || !known_state(state) || invitation.size() != invitation_id.size() || !sealed ||
      decided < 0 || decided > std::numeric_limits<std::uint32_t>::max())
    return not_a_key();
  std::copy(invitation.begin(), invitation.end(), invitation_id.begin());

  const auto key_state = static_cast<KeyState>(state);
  std::optional<Bundle> bundle;
  if (key_state != KeyState::prepared) {
    auto parsed = Bundle::parse(description);
    if (!parsed) return std::move(parsed).error();
    bundle = *std::move(parsed);
  }
  auto sharing =
      bundle ? Result<protocol::Sharing>(bundle->sharing()) : parse_preparation(description, epoch);
  if (!sharing) return std::move(sharing).error();
  const auto self = sharing->parameters.position_of(identity);
  if (!self && key_state != KeyState::left) return Error(Code::altered, "not a key of this agent");
  Key key{.state = key_state,
          .invitation = invitation_id,
          .sharing = *std::move(sharing),
          .bundle = std::move(bundle),
          .preparation = key_state == KeyState::prepared ? description : Bytes{},
          .shares = *std::move(sealed),
          .recovery_blob = recovery_blob,
          .recovery_parts = recovery_parts,
          .decided = static_cast<std::uint32_t>(decided),
          .self = self.value_or(kNowhere),
          .acknowledgements = *std::move(acknowledged)};
  if (row_bytes(key.key_id()) != key_id || row_bytes(key.sid()) != sid || key.epoch() != epoch)
    return not_a_key();
  return key;
}

}  // namespace coprotect::agent::custodian
