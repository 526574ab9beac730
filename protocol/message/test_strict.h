#pragma once

#include <gtest/gtest.h>

#include "protocol/base/bytes.h"

namespace coprotect::protocol::test {

// Checks that Message parses this encoding, but no shorter one and none with bytes after it.
template <typename Message>
void refuses_other_lengths(const Bytes& encoded) {
  ASSERT_TRUE(Message::parse(encoded));
  for (std::size_t i = 0; i < encoded.size(); ++i)
    EXPECT_FALSE(Message::parse(ByteView(encoded).first(i))) << i;
  Bytes longer = encoded;
  longer.push_back(0);
  EXPECT_FALSE(Message::parse(longer));
}

// The same, and also rejects another version. The version follows four letters.
template <typename Message>
void expect_strict(const Bytes& encoded) {
  refuses_other_lengths<Message>(encoded);
  Bytes other_version = encoded;
  other_version[4] = 2;
  EXPECT_FALSE(Message::parse(other_version));
}

}  // namespace coprotect::protocol::test
