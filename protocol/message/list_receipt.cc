#include "protocol/message/list_receipt.h"

#include "protocol/crypto/hash.h"
#include "protocol/message/handover.h"

namespace coprotect::protocol {
namespace {

// The tenant is not included because the list names it.
Digest receipt(ListKind kind, ByteView list) {
  return tagged_hash("CPV1-LIST-TAKEN", {ByteArray<1>{static_cast<std::uint8_t>(kind)}, sha256(list)});
}

}  // namespace

Signature sign_list_receipt(ListKind kind, ByteView list, const SigningKey& identity) {
  return identity.sign(receipt(kind, list));
}

bool verify_list_receipt(const VerifyKey& identity, ListKind kind, ByteView list, ByteView answer) {
  const auto signature = parse_signature(answer);
  return signature && identity.verify(receipt(kind, list), *signature);
}

}  // namespace coprotect::protocol
