#include <algorithm>
#include <array>
#include <cstdlib>

#include "hsm/erasure_holds.h"
#include "hsm/helper/message.h"
#include "hsm/pkcs11/soft_token.h"
#include "hsm/share_record.h"

namespace {

using coprotect::ByteView;
using coprotect::hsm::EpochRecord;
using coprotect::hsm::ErasureHold;
using coprotect::hsm::TokenOperation;
using coprotect::hsm::TokenReply;
using coprotect::hsm::TokenRequest;
using coprotect::hsm::pkcs11::SoftObject;
using coprotect::hsm::pkcs11::SoftToken;

void require_equal(ByteView a, ByteView b) {
  if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) std::abort();
}

}  // namespace

// Input from a hostile helper, agent, store or folder. A request, a good reply, a hold or a copy of a token
// that is accepted encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto request = TokenRequest::parse(bytes)) require_equal(request->encode(), bytes);
  for (const auto operation : {TokenOperation::seal_new_key, TokenOperation::unseal, TokenOperation::probe,
                               TokenOperation::make_root, TokenOperation::destroy_root}) {
    const auto reply = TokenReply::parse(operation, bytes);
    if (reply)
      require_equal(TokenReply::encode({TokenReply{.key = reply->key.clone(),
                                                   .sealed = reply->sealed,
                                                   .name = reply->name,
                                                   .notice = reply->notice}})
                        .reveal(),
                    bytes);
  }
  if (const auto hold = ErasureHold::parse(bytes)) require_equal(hold->encode(), bytes);
  if (const auto copy = SoftToken::parse(bytes)) {
    require_equal(copy->encode(), bytes);
    if (copy->damage(*copy) && !copy->broken()) std::abort();
  }
  if (const auto object = SoftObject::parse(bytes))
    if (!object->has_all_of(*object)) std::abort();
  if (const auto record = EpochRecord::parse(bytes))
    if (record->sealed_key.size() + record->ciphertext.size() > size) std::abort();
  return 0;
}
