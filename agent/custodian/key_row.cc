#include "agent/custodian/key_row.h"

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

Bytes encode_transcript(const PublicTranscript& transcript) {
  Writer w;
  w.lp4(transcript.parameters().encoded());
  for (const auto& party : transcript.rounds())
    w.lp4(party.commit_body).lp4(party.reveal_body).bytes(party.deal_hash);
  return std::move(w).take();
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
  if (!r.empty()) return not_a_key();
  return PublicTranscript::make(*std::move(parameters), std::move(rounds));
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

Bytes bytes_from(ByteView view) {
  return {view.begin(), view.end()};
}

}  // namespace

KeyRow KeyRow::of(const Key& key) {
  return {
      .key_id = bytes_from(key.key_id()),
      .sid = bytes_from(key.sid()),
      .invitation = bytes_from(key.invitation),
      .state = static_cast<std::int64_t>(key.state),
      .epoch = key.epoch(),
      .description = key.bundle ? key.bundle->encoded() : encode_transcript(key.transcript),
      .shares = encode_shares(key.shares),
      .recovery_blob = key.recovery_blob,
  };
}

Bytes KeyRow::authenticated() const {
  Writer w;
  w.literal("CPV1-ROW-KEY").lp4(key_id).lp4(sid).lp4(invitation);
  w.u64(static_cast<std::uint64_t>(state)).u64(static_cast<std::uint64_t>(epoch));
  w.lp4(description).lp4(shares).lp4(recovery_blob);
  return std::move(w).take();
}

Result<Key> KeyRow::parse(const protocol::VerifyKey& identity) const {
  const bool active = state == static_cast<std::int64_t>(KeyState::active);
  const bool prepared = state == static_cast<std::int64_t>(KeyState::prepared);
  protocol::InvitationId invitation_id{};
  auto sealed = parse_shares(shares);
  if ((!active && !prepared) || invitation.size() != invitation_id.size() || !sealed) return not_a_key();
  std::copy(invitation.begin(), invitation.end(), invitation_id.begin());

  std::optional<Bundle> bundle;
  if (active) {
    auto parsed = Bundle::parse(description);
    if (!parsed) return std::move(parsed).error();
    bundle = *std::move(parsed);
  }
  auto transcript = bundle ? Result<PublicTranscript>(bundle->transcript()) : parse_transcript(description);
  if (!transcript) return std::move(transcript).error();
  const auto self = transcript->parameters().position_of(identity);
  if (!self) return Error(Code::altered, "not a key of this agent");
  Key key{active ? KeyState::active : KeyState::prepared,
          invitation_id,
          *std::move(transcript),
          std::move(bundle),
          *std::move(sealed),
          recovery_blob,
          *self};
  if (bytes_from(key.key_id()) != key_id || bytes_from(key.sid()) != sid || key.epoch() != epoch)
    return not_a_key();
  return key;
}

}  // namespace coprotect::agent::custodian
