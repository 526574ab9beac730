#pragma once

#include <algorithm>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol::fuzz {

// What is read is written back as it was.
template <typename Message>
void read(ByteView input) {
  const auto message = Message::parse(input);
  invariant(!message || message->encode() == Bytes(input.begin(), input.end()));
}

// Messages with a MAC are written again with another, so that only what stands before it is compared.
template <typename Message, typename... Rest>
void read_with_mac(ByteView input, Rest... rest) {
  const auto message = Message::parse(input);
  if (!message) return;
  const Bytes again = message->encode(Secret(16), rest...);
  invariant(std::equal(input.begin(), input.end() - 32, again.begin(), again.end() - 32));
}

}  // namespace coprotect::protocol::fuzz
