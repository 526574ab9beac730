#include "agent/custodian/recovery_share.h"

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

Result<Secret> recovery_share(const Key& key) {
  if (key.recovery_blob.empty()) return Error(Code::not_found, "the key has no recovery share");
  Writer w;
  w.lp4(key.recovery_blob).lp4(key.recovery_parts);
  return Secret::copy_of(w.view());
}

}  // namespace coprotect::agent::custodian
