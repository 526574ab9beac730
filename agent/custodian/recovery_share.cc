#include "agent/custodian/recovery_share.h"

#include "agent/custodian/kept_parts.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

Result<Secret> recovery_share(hsm::ShareKeeper& keeper, const Client& client) {
  const Key& key = *client.key;
  if (key.recovery_blob.empty()) return Error(Code::not_found, "the key has no recovery share");
  Writer w;
  w.lp4(key.recovery_blob);
  if (!client.recovers) return Secret::copy_of(w.lp4({}).view());
  const auto parts = kept_parts(keeper, key);
  if (!parts) return parts.error();
  // A missing share is better than one that fails when it is needed.
  if (auto holds = parts->check(key.sharing, system_random()); !holds) return std::move(holds).error();
  return Secret::copy_of(w.lp4(parts->encoded()).view());
}

}  // namespace coprotect::agent::custodian
