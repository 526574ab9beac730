// Requests and replies: accepted input encodes to the same bytes. Bodies are also parsed without the
// signature around them.

#include "protocol/fuzz/patched.h"
#include "protocol/message/reply.h"
#include "protocol/message/test_request.h"

using namespace coprotect;
using namespace coprotect::protocol;

namespace {

void read_body(const test::TestClient& client, Operation operation, ByteView body) {
  SignedRequest::Envelope envelope{.operation = operation,
                                   .request = client.request({}),
                                   .chain = {},
                                   .hash = {},
                                   .body = Bytes(body.begin(), body.end())};
  const auto request = std::move(envelope).open(client.suite);
  invariant(!request || request->request.operation() == operation);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TestClient client(SuiteId::p256);
  static const Bytes good = client.sign(client.request());
  static const Bytes good_body = must(SignedRequest::parse_envelope(good)).body;
  static const Bytes good_derivation = [] {
    Request request = client.request({});
    request.body = DeriveBody{std::vector<Element>(3, client.public_key.h())};
    return must(SignedRequest::parse_envelope(client.sign(request))).body;
  }();
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  const Group& group = group_of(SuiteId::p256);
  switch (data[0] % 7) {
    case 0:
      (void)SignedRequest::parse_envelope(input);
      break;
    case 1: {
      const Bytes changed = fuzz::patched(good, input);
      invariant(changed == good || !SignedRequest::parse_envelope(changed));
      break;
    }
    case 2:
      read_body(client, Operation::partial_decrypt, fuzz::patched(good_body, input));
      break;
    case 3:
      read_body(client, static_cast<Operation>(size % 6 + 1), input);
      break;
    case 4: {
      const auto replies = parse_partial_replies(input, group);
      invariant(!replies || equal_in_constant_time(encode_partial_replies(*replies).reveal(), input));
      break;
    }
    case 5: {
      const auto reply = SealedReply::parse(input);
      invariant(!reply || reply->encode() == Bytes(input.begin(), input.end()));
      Reader r(input);
      const auto refusal = Refusal::read(r);
      invariant(!refusal || !r.empty() || refusal->encode() == Bytes(input.begin(), input.end()));
      break;
    }
    case 6:
      read_body(client, Operation::derive, fuzz::patched(good_derivation, input));
      break;
  }
  return 0;
}
