#include "client/recovery.h"

#include <optional>

#include "client/signed_call.h"
#include "protocol/base/reader.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/recovery_parts.h"
#include "protocol/recovery/code.h"

namespace coprotect::client {
namespace {

// What an agent keeps for a holder of the recovery code, in the bundle's epoch.
struct Kept {
  protocol::RecoveryBlob blob;
  Bytes parts;  // encoded RecoveryParts; empty unless a recovery administrator asked
};

Result<Kept> fetch_from(const protocol::Party& party, const protocol::Bundle& bundle,
                        const Credentials& credentials, std::chrono::milliseconds deadline,
                        Digest* sent = nullptr) {
  AgentClient agent = connect(party, credentials, deadline);
  const auto plaintext =
      ask(agent, bundle, party, credentials,
          {.endpoint = "recovery-share", .body = protocol::RecoveryShareBody{}, .reason = "recovery"},
          system_random(), sent);
  if (!plaintext) return plaintext.error();
  Reader reader(plaintext->reveal());
  const auto encoded = reader.lp4();
  const auto parts = reader.lp4();
  if (!encoded || !parts || !reader.empty())
    return Error(Code::malformed, agent_name(party) + " sent no recovery blob");
  auto blob = protocol::RecoveryBlob::parse(*encoded);
  if (!blob) return std::move(blob).error().in(agent_name(party));
  return Kept{.blob = *std::move(blob), .parts = Bytes(parts->begin(), parts->end())};
}

// Checks the key and its suite. Not the recovery key, because the bundle may belong to an older code.
Status check_binding(const protocol::RecoveryBlob::Binding& binding, const protocol::Bundle& bundle) {
  if (binding.key_id == bundle.key_id() && binding.suite == bundle.group().suite()) return Done{};
  return Error(Code::altered, "recovery blob belongs to another key");
}

}  // namespace

Result<protocol::RecoveryBlob> fetch_blob(const protocol::Bundle& bundle, const Credentials& credentials,
                                          std::chrono::milliseconds deadline) {
  Error error(Code::unavailable, "the key has no agents");
  const auto& named = bundle.sharing().blob_hash;
  std::optional<protocol::RecoveryBlob> blob;
  for (const protocol::Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    auto kept = fetch_from(party, bundle, credentials, deadline);
    if (!kept) {
      error = std::move(kept).error();
    } else if (named && protocol::sha256(kept->blob.encoded()) != *named) {
      error = Error(Code::altered,
                    agent_name(party) + " keeps another recovery blob than the key's newest version names");
    } else if (named) {
      return std::move(kept->blob);
    } else if (blob && blob->encoded() != kept->blob.encoded()) {
      return Error(Code::altered,
                   agent_name(party) +
                       " keeps another recovery blob than another agent, and no version of the "
                       "key says yet which is right: use the kit, which has it, too");
    } else {
      blob = std::move(kept->blob);
    }
  }
  if (!blob) return error;
  return *std::move(blob);
}

Result<OpenedBlob> open_blob(const protocol::RecoveryBlob& blob, const protocol::Bundle& bundle,
                             const Secret& typed) {
  if (auto bound = check_binding(blob.binding(), bundle); !bound) return std::move(bound).error();
  auto input = protocol::read_code(typed.reveal());
  if (!input) return std::move(input).error();
  auto opened = blob.open(*input);
  if (!opened) return std::move(opened).error();
  auto recovery_key = std::move(opened->recovery_key);
  return OpenedBlob{.share = RecoveryShare(blob, *std::move(opened)),
                    .recovery_key = std::move(recovery_key)};
}

LocalShare RecoveryShare::local(std::uint8_t index, protocol::Scalar share, const protocol::Bundle& bundle,
                                std::chrono::milliseconds deadline) const {
  const auto renew = [again = *this, deadline](const protocol::Bundle& other,
                                               const Credentials& credentials) {
    return again.in(other, credentials, deadline);
  };
  return {.index = index, .share = std::move(share), .renew = renew, .bundle = bundle};
}

Result<LocalShare> RecoveryShare::from_agent(const protocol::Party& party, const protocol::Bundle& bundle,
                                             const Credentials& credentials,
                                             std::chrono::milliseconds deadline, Digest* sent) const {
  const auto kept = fetch_from(party, bundle, credentials, deadline, sent);
  if (!kept) return kept.error();
  // The bundle, not an agent, decides which code is the newest.
  const auto& newest = bundle.parameters()->recovery_key;
  if (newest && !(*newest == state_->hpke.public_key()))
    return Error(Code::wrong_code, "the recovery code is an older one: the key's epoch " +
                                       std::to_string(bundle.epoch()) + " has a newer recovery key");
  if (kept->parts.empty())
    return Error(
        Code::denied,
        agent_name(party) + " gives the recovery parts to a recovery administrator alone: use the kit");
  const auto parts = protocol::RecoveryParts::parse(bundle.group(), kept->parts);
  auto share = parts ? parts->open(state_->hpke, bundle.sharing()) : parts.error();
  if (!share) return Error(Code::altered, agent_name(party) + ": " + share.error().message());
  return local(parts->index(), *std::move(share), bundle, deadline);
}

Result<LocalShare> RecoveryShare::in(const protocol::Bundle& bundle, const Credentials& credentials,
                                     std::chrono::milliseconds deadline) const {
  std::optional<Error> error;
  for (const protocol::Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    auto share = from_agent(party, bundle, credentials, deadline);
    if (share) return share;
    // A verdict tells more than silence. If all are silent, each one's reason is listed.
    if (!error || (error->code() == Code::unavailable && share.error().code() != Code::unavailable))
      error = std::move(share).error();
    else if (error->code() == Code::unavailable)
      error = Error(Code::unavailable, error->message() + "; " + share.error().message());
  }
  return error ? *std::move(error) : Error(Code::unavailable, "the key has no agents");
}

Result<Credentials> open_kit_key(const protocol::RecoveryKit& kit,
                                 const protocol::RecoveryKey& recovery_key) {
  auto key = kit.open_key(recovery_key);
  if (!key) return std::move(key).error();
  auto certificate = protocol::Certificate::parse_der(kit.certificate());
  if (!certificate) return std::move(certificate).error().in("recovery kit");
  return Credentials{.certificate = *std::move(certificate), .key = *std::move(key)};
}

}  // namespace coprotect::client
