// Requests of a hostile program to coprotect-keyd, and replies of a hostile coprotect-keyd.

#include <algorithm>

#include "client/keyclient/message.h"

namespace {

using namespace coprotect;
using namespace coprotect::keyclient;

void require_equal(ByteView a, ByteView b) {
  invariant(std::ranges::equal(a, b));
}

}  // namespace

// An accepted message encodes to its original bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto request = Request::parse(bytes)) {
    const Bytes head = request->encode_head();
    require_equal(bytes.first(head.size()), head);
    require_equal(bytes.subspan(head.size()), request->passphrase);
  }
  if (const auto keys = parse_keys(bytes)) require_equal(encode_keys(*keys), bytes);
  if (const auto certificate = parse_certificate(bytes))
    require_equal(encode_certificate(*certificate), bytes);
  if (const auto made = parse_encapsulation(bytes)) {
    const Bytes head = encode_encapsulation_head(made->bytes);
    require_equal(bytes.first(head.size()), head);
    require_equal(bytes.subspan(head.size()), made->secret.reveal());
  }
  if (parse_done(bytes)) require_equal(encode_done(), bytes);
  for (const std::size_t wanted : {1u, 32u, 384u})
    if (const auto secret = parse_secret(bytes, wanted)) invariant(secret->size() == wanted);
  return 0;
}
