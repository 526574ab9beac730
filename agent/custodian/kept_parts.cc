#include "agent/custodian/kept_parts.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::string_view kWhat = "recovery-parts";
// The keeper seals a single key for them, since parts may exceed its size limit.
constexpr ByteArray<protocol::kAeadNonceSize> kNonce{};

hsm::EpochId epoch_of(const Key& key) {
  return {.key_id = key.key_id(), .epoch = key.epoch()};
}

}  // namespace

Result<Bytes> keep_parts(hsm::ShareKeeper& keeper, const Key& key, const protocol::RecoveryParts& parts) {
  Secret once(protocol::kAeadKeySize);
  system_random().fill(once.fill());
  const auto sealed = keeper.seal_bytes(epoch_of(key), kWhat, once.reveal());
  if (!sealed) return sealed.error();
  Writer w;
  w.lp4(*sealed).bytes(protocol::aead_seal(once.reveal(), kNonce, key.sid(), parts.encoded()));
  return std::move(w).take();
}

Result<protocol::RecoveryParts> kept_parts(hsm::ShareKeeper& keeper, const Key& key) {
  Reader r(key.recovery_parts);
  const auto sealed = r.lp4();
  if (!sealed) return Error(Code::not_found, "this agent keeps no recovery parts of the key");
  const auto once = keeper.open_bytes(epoch_of(key), kWhat, *sealed);
  if (!once) return once.error();
  const auto encoded = protocol::aead_open(once->reveal(), kNonce, key.sid(), r.rest());
  if (!encoded) return Error(Code::altered, "the recovery parts that this agent keeps were altered");
  return protocol::RecoveryParts::parse(key.sharing.group(), encoded->reveal());
}

}  // namespace coprotect::agent::custodian
