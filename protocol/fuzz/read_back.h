#pragma once

#include <algorithm>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol::fuzz {

// A message that parses must encode to the same bytes.
template <typename Message>
void read(ByteView input) {
  const auto message = Message::parse(input);
  invariant(!message || message->encode() == Bytes(input.begin(), input.end()));
}

// The same for messages with a MAC. encode() writes another MAC, so only the bytes before it are compared.
template <typename Message, typename... Rest>
void read_with_mac(ByteView input, Rest... rest) {
  const auto message = Message::parse(input);
  if (!message) return;
  const Bytes again = message->encode(Secret(16), rest...);
  invariant(std::equal(input.begin(), input.end() - 32, again.begin(), again.end() - 32));
}

}  // namespace coprotect::protocol::fuzz
