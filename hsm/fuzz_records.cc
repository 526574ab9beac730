#include <algorithm>
#include <array>
#include <cstdlib>

#include "hsm/helper/message.h"
#include "hsm/share_record.h"

namespace {

using coprotect::ByteView;
using coprotect::hsm::EpochRecord;
using coprotect::hsm::TokenOperation;
using coprotect::hsm::TokenReply;
using coprotect::hsm::TokenRequest;

void require_equal(ByteView a, ByteView b) {
  if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) std::abort();
}

}  // namespace

// What a hostile helper or agent sends, and what a hostile store holds. A request or a good reply that is
// accepted encodes to the bytes that it came from.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto request = TokenRequest::parse(bytes)) require_equal(request->encode(), bytes);
  for (const auto operation : {TokenOperation::seal_new_key, TokenOperation::unseal, TokenOperation::probe,
                               TokenOperation::make_root, TokenOperation::destroy_root}) {
    const auto reply = TokenReply::parse(operation, bytes);
    if (reply)
      require_equal(TokenReply::encode(
                        {TokenReply{.key = reply->key.clone(), .sealed = reply->sealed, .name = reply->name}})
                        .reveal(),
                    bytes);
  }
  if (const auto record = EpochRecord::parse(bytes))
    if (record->sealed_key.size() + record->ciphertext.size() > size) std::abort();
  return 0;
}
